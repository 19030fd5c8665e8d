package iec104

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
)

func TestASlowHandlerBlocksNeitherTESTFRNorAcks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(100)
		g := queued(q)
		release := make(chan bool)
		var handled []uint64
		g.Handle = func(_ *Session, a asdu.ASDU, index uint64) { <-release; handled = append(handled, index) }
		_, n := serve(t, ServerConfig{Groups: []Group{g}})
		c := dialRaw(t, n)
		c.send("STARTDT act")
		c.expect("STARTDT con")
		c.send("I 0 0", "I 1 0", "TESTFR act")
		c.expect("TESTFR con")
		push(t, q, 1, 12)
		for i := range 12 {
			c.expect(fmt.Sprintf("I %d 0", i)) // nothing handled, nothing acknowledged
		}
		push(t, q, 13, 13)
		c.send("S 12")
		c.expect("I 12 0")
		release <- true
		synctest.Wait()
		push(t, q, 14, 14)
		c.expect("I 13 1")
		close(release)
		c.expect("S 2")
		if !slices.Equal(handled, []uint64{1, 2}) {
			t.Errorf("handled %v", handled)
		}
	})
}

func TestWriteGuardIsAskedBeforeEachWriteOfALiveLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var deny error
		asked := 0
		set := func(err error) { mu.Lock(); defer mu.Unlock(); deny = err }
		var closed []error
		q := NewQueue(10)
		g := queued(q)
		g.AllowConnect = func(s *Session) error {
			s.SetWriteGuard(func() error { mu.Lock(); defer mu.Unlock(); asked++; return deny })
			return nil
		}
		g.Closed = func(_ *Session, err error) { closed = append(closed, err) }
		_, n := serve(t, ServerConfig{Groups: []Group{g}})

		c := dialRaw(t, n)
		c.send("TESTFR act")
		c.expect("TESTFR con")
		if asked != 0 {
			t.Error("asked for a held link")
		}
		set(io.ErrNoProgress)
		c.send("STARTDT act")
		c.expect("") // not even STARTDT con

		set(nil)
		c = dialRaw(t, n)
		c.send("STARTDT act")
		c.expect("STARTDT con")
		push(t, q, 1, 1)
		c.expect("I 0 0")
		set(io.ErrNoProgress)
		push(t, q, 2, 2)
		c.expect("")

		set(nil)
		c = dialRaw(t, n)
		c.send("STARTDT act")
		c.expect("STARTDT con", "I 0 0", "I 1 0")
		set(io.ErrNoProgress)
		c.send("I 0 2")
		c.expect("") // the S-frame, 10 s later
		synctest.Wait()
		if len(closed) != 3 {
			t.Fatalf("%d links closed, want 3", len(closed))
		}
		for _, err := range closed {
			if !errors.Is(err, ErrGuard) || !errors.Is(err, io.ErrNoProgress) || Reason(err) != "guard" {
				t.Errorf("closed for %v, want ErrGuard and its reason", err)
			}
		}
	})
}

func TestAbortWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(10)
		var s *Session
		g := queued(q)
		g.Started = func(started *Session) { s = started }
		_, n := serve(t, ServerConfig{Groups: []Group{g}})
		c := dialRaw(t, n)
		c.send("STARTDT act")
		c.expect("STARTDT con")
		push(t, q, 1, 10)
		synctest.Wait() // the write hangs: nobody reads
		s.mu.Lock()     // and somebody sits on the lock
		s.Abort(io.ErrNoProgress)
		if err := s.Err(); err != io.ErrNoProgress {
			t.Errorf("Err: %v", err)
		}
		s.mu.Unlock()
		<-s.Done()
		if s.Err() != io.ErrNoProgress || s.State() != Closed {
			t.Errorf("%v, %v", s.Err(), s.State())
		}
		if err := s.Send(eventASDU(1)); !errors.Is(err, ErrClosed) || !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("Send: %v, want ErrClosed and the reason", err)
		}
	})
}

func TestTapAndCountersSeeAllFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var atServer, atClient []string
		note := func(to *[]string, dir Direction, frame []byte) {
			mu.Lock()
			defer mu.Unlock()
			*to = append(*to, fmt.Sprintf("%v % x", dir, frame))
		}
		q := NewQueue(10)
		srv, n := serve(t, ServerConfig{
			Groups: []Group{queued(q)},
			Tap: func(*Session) Tap {
				return func(dir Direction, _ time.Time, frame []byte) { note(&atServer, dir, frame) }
			},
		})
		c := start(t, n, ClientConfig{Tap: func(dir Direction, _ time.Time, frame []byte) { note(&atClient, dir, frame) }})
		push(t, q, 1, 3)
		if err := c.Send(t.Context(), testASDU()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(55 * time.Second)
		synctest.Wait()
		c.Close()
		synctest.Wait()
		for i, s := range atClient {
			if r, ok := strings.CutPrefix(s, "sent"); ok {
				atClient[i] = "received" + r
			} else {
				atClient[i] = "sent" + strings.TrimPrefix(s, "received")
			}
		}
		slices.Sort(atServer)
		slices.Sort(atClient)
		if !slices.Equal(atServer, atClient) {
			t.Errorf("server saw\n%q\nclient saw\n%q", atServer, atClient)
		}
		s, k := srv.Counters().Counters, c.Counters()
		if s.SentI != 3 || s.ReceivedI != 1 || s.SentU == 0 {
			t.Errorf("server counted %+v", s)
		}
		mirrored := Counters{k.SentI, k.SentS, k.SentU, k.ReceivedI, k.ReceivedS, k.ReceivedU, k.SentOctets, k.ReceivedOctets, 0, 0}
		if !reflect.DeepEqual(s, mirrored) {
			t.Errorf("server counted %+v, client %+v", s, k)
		}
		octets := 0
		for _, f := range atServer {
			octets += len(strings.Fields(f)) - 1
		}
		if octets != int(s.SentOctets+s.ReceivedOctets) {
			t.Errorf("%d octets tapped, %d counted", octets, s.SentOctets+s.ReceivedOctets)
		}
	})
}

func TestServeGoesOnWithAnotherListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, n := serve(t, ServerConfig{Groups: []Group{{}}})
		second := newNetwork()
		ended := make(chan error)
		go func() { ended <- srv.Serve(second) }()
		c := connect(t, n, ClientConfig{Dial: second.from("10.0.0.1:1")})
		second.Close()
		if err := <-ended; err == nil {
			t.Error("Serve returned nil though the server goes on")
		}
		if err := c.StartDT(t.Context()); err != nil {
			t.Errorf("its sessions must go on: %v", err)
		}
		connect(t, n, ClientConfig{})
	})
}

func TestServerConfigIsChecked(t *testing.T) {
	for name, cfg := range map[string]ServerConfig{
		"no group":            {},
		"names without TLS":   {Groups: []Group{{CommonNames: []string{"occ"}}}},
		"t2 >= t1 (row 20)":   {Groups: []Group{{}}, Config: Config{T1: 10 * time.Second, T2: 10 * time.Second}},
		"w > 2k/3 (row 20)":   {Groups: []Group{{}}, Config: Config{K: 12, W: 9}},
		"k too large":         {Groups: []Group{{}}, Config: Config{K: 32768}},
		"w negative":          {Groups: []Group{{}}, Config: Config{W: -1}},
		"t0 too long":         {Groups: []Group{{}}, Config: Config{T0: 256 * time.Second}},
		"t3 negative":         {Groups: []Group{{}}, Config: Config{T3: -1}},
		"object address of 4": {Groups: []Group{{}}, Config: Config{Profile: asdu.Profile{CauseSize: 2, CommonAddressSize: 2, ObjectAddressSize: 4}}},
	} {
		if _, err := NewServer(cfg); !errors.Is(err, ErrConfig) && !errors.Is(err, asdu.ErrProfile) {
			t.Errorf("%s: %v, want ErrConfig or ErrProfile", name, err)
		}
	}
	for _, cfg := range []Config{{}, DefaultConfig(), {K: 1}, {K: 1, W: 1}, {K: 2, W: 1}, {K: 2}, {K: 32767, W: 21844}, {T1: time.Second}, {T3: 48 * time.Hour}} {
		if err := cfg.Validate(); err != nil {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

func TestNothingIsHandledAfterAnAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handled := 0
		_, n := serve(t, ServerConfig{Groups: []Group{{Handle: func(s *Session, _ asdu.ASDU, _ uint64) {
			handled++
			s.Abort(io.ErrNoProgress)
		}}}})
		c := dialRaw(t, n)
		c.send("STARTDT act")
		c.expect("STARTDT con")
		c.send("I 0 0", "I 1 0", "I 2 0")
		c.expect("")
		synctest.Wait()
		if handled != 1 {
			t.Errorf("handled %d ASDUs, want 1", handled)
		}
	})
}
