package iec104

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// queued is a group that sends what is pushed.
func queued(q *Queue) Group { return Group{Name: "occ", Source: q.Source} }

func push(t *testing.T, q *Queue, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		if err := q.Push(eventASDU(n)); err != nil {
			t.Fatal(err)
		}
	}
}

func count(from, to int) (n []int) {
	for ; from <= to; from++ {
		n = append(n, from)
	}
	return n
}

func TestRow27_ANewerStartedLinkReplacesTheOlder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(100)
		var closed []error
		g := queued(q)
		g.Closed = func(_ *Session, err error) { closed = append(closed, err) }
		srv, n := serve(t, ServerConfig{Groups: []Group{g}})
		push(t, q, 1, 20)
		a := start(t, n, ClientConfig{Config: Config{ManualAck: true}})
		if got := numbers(a.take()); !slices.Equal(got, count(1, 12)) {
			t.Fatalf("first link got %v, want the window of 12", got)
		}
		a.Ack(8)
		if got := numbers(a.take()); !slices.Equal(got, count(13, 20)) {
			t.Fatalf("first link got %v after its ack", got)
		}
		held := connect(t, n, ClientConfig{})
		b := start(t, n, ClientConfig{})
		if got := numbers(b.take()); !slices.Equal(got, count(9, 20)) {
			t.Fatalf("second link got %v, want 9 to 20: all that was not acknowledged, in order", got)
		}
		<-a.Done()
		if len(closed) != 1 || !errors.Is(closed[0], ErrSuperseded) {
			t.Errorf("closed: %v, want one, ErrSuperseded", closed)
		}
		if err := held.Challenge(t.Context()); err != nil {
			t.Errorf("a held link of the group must stay: %v", err)
		}
		if got := srv.Counters().Closed["superseded"]; got != 1 {
			t.Errorf("counted %d superseded links, want 1", got)
		}
		// A link that was stopped does not lose its connection to the next one.
		if err := b.StopDT(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := held.StartDT(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := b.Challenge(t.Context()); err != nil {
			t.Errorf("the stopped link must stay: %v", err)
		}
	})
}

func TestRow28_TheNextStartGetsAllThatWasNotAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(100)
		_, n := serve(t, ServerConfig{Groups: []Group{queued(q)}})
		push(t, q, 1, 30)
		for next := 1; next <= 30; next += 5 {
			c := start(t, n, ClientConfig{Config: Config{ManualAck: true, W: 1}})
			got := numbers(c.take())
			if want := count(next, min(next+11, 30)); !slices.Equal(got, want) {
				t.Fatalf("got %v, want %v", got, want)
			}
			c.Ack(5)
			synctest.Wait()
			c.Abort(io.ErrUnexpectedEOF)
			<-c.Done()
			synctest.Wait()
		}
		if q.Len() != 0 {
			t.Errorf("%d left in the queue", q.Len())
		}
	})
}

func TestRow28_AcksAreReportedToTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &scripted{n: 10, step: 100}
		_, n := serve(t, ServerConfig{Config: Config{K: 4, W: 2}, Groups: []Group{{Source: src.source}}})
		c := start(t, n, ClientConfig{Config: Config{ManualAck: true, K: 4, W: 2}})
		synctest.Wait()
		src.expect(t, "next 100", "next 200", "next 300", "next 400")
		c.Ack(3)
		synctest.Wait()
		src.expect(t, "acked 300", "next 500", "next 600", "next 700")
		if err := c.conn.tcp.Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		src.expect(t, "stopped true")
	})
}

// Acknowledgements that come while the source is being asked must not be mixed
// up with the frames that they make room for.
func TestRow28_AcksThatComeWhileTheSourceIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &scripted{n: 8, step: 100}
		_, n := serve(t, ServerConfig{Config: Config{K: 4, W: 2}, Groups: []Group{{Source: src.source}}})
		c := dialRaw(t, n)
		src.asked = func(next int) {
			if next == 5 {
				c.send("S 4")
				time.Sleep(time.Millisecond)
			}
		}
		c.send("STARTDT act")
		c.expect("STARTDT con", "I 0 0", "I 1 0", "I 2 0", "I 3 0")
		c.send("S 1")
		c.expect("I 4 0", "I 5 0", "I 6 0", "I 7 0")
		c.send("S 8")
		synctest.Wait()
		src.expect(t, "next 100", "next 200", "next 300", "next 400", "acked 100", "next 500",
			"acked 400", "next 600", "next 700", "next 800", "acked 800")
	})
}

// scripted is a source of n events with indices step, 2*step, ..., that notes its calls.
type scripted struct {
	asked   func(next int) // called by Next, if set
	mu      sync.Mutex
	n, next int
	step    uint64
	calls   []string
	in      bool
}

func (s *scripted) source(*Session) Source { return s }

func (s *scripted) enter(call string) func() {
	s.mu.Lock()
	if s.in {
		call += " while in another call"
	}
	if call != "" {
		s.calls = append(s.calls, call)
	}
	s.in = true
	s.mu.Unlock()
	return func() { s.mu.Lock(); s.in = false; s.mu.Unlock() }
}

func (s *scripted) Next() (ASDU, uint64, bool) {
	s.mu.Lock()
	if s.next == s.n {
		s.mu.Unlock()
		return ASDU{}, 0, false
	}
	s.next++
	next := s.next
	s.mu.Unlock()
	defer s.enter(fmt.Sprint("next ", uint64(next)*s.step))()
	if s.asked != nil {
		s.asked(next)
	}
	return eventASDU(next), uint64(next) * s.step, true
}

func (s *scripted) Acked(index uint64) { s.enter(fmt.Sprint("acked ", index))() }
func (s *scripted) Stopped(err error)  { s.enter(fmt.Sprint("stopped ", err != nil))() }

func (s *scripted) expect(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.calls, want) {
		t.Errorf("source was called\n%q, want\n%q", s.calls, want)
	}
	s.calls = nil
}

func TestRow29_AClientInNoGroupIsClosedBeforeAnyExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var refused []string
		connected := 0
		srv, n := serve(t, ServerConfig{
			Groups: []Group{
				{Name: "a", Clients: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
				{Name: "b", Clients: []netip.Prefix{netip.MustParsePrefix("192.168.1.0/24"), netip.MustParsePrefix("2001:db8::/32")},
					AllowConnect: func(s *Session) error { connected++; return nil }},
			},
			Refused: func(addr netip.AddrPort, err error) {
				mu.Lock()
				defer mu.Unlock()
				refused = append(refused, fmt.Sprint(addr.Addr(), " ", Reason(err)))
			},
		})
		for _, address := range []string{"11.0.0.1:4000", "192.168.2.1:4000", "[2001:db9::1]:4000"} {
			conn, err := n.from(address)(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			if m, err := conn.Read(make([]byte, 1)); m != 0 || err != io.EOF {
				t.Errorf("%s: read %d, %v, want EOF", address, m, err)
			}
		}
		for _, address := range []string{"[::ffff:192.168.1.9]:4000", "[2001:db8::7]:4000"} {
			connect(t, n, ClientConfig{Dial: n.from(address)})
		}
		synctest.Wait()
		slices.Sort(refused)
		if want := []string{"11.0.0.1 group", "192.168.2.1 group", "2001:db9::1 group"}; !slices.Equal(refused, want) {
			t.Errorf("refused %q, want %q", refused, want)
		}
		if c := srv.Counters(); c.Refused["group"] != 3 || c.Accepted != 2 || connected != 2 {
			t.Errorf("counted %v, asked for %d", c, connected)
		}
	})
}

func TestAllowConnectRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, n := serve(t, ServerConfig{Groups: []Group{{AllowConnect: func(*Session) error { return io.ErrShortWrite }}}})
		conn, err := n.from("10.0.0.1:4000")(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("read: %v, want EOF", err)
		}
		synctest.Wait()
		if c := srv.Counters(); c.Refused["refused"] != 1 || c.Accepted != 0 {
			t.Errorf("counted %+v", c)
		}
	})
}

// In exclusive mode a second client gets the live link's place only if that one is dead.
func TestAllowConnectMayChallengeTheLiveLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var live *Session
		srv, n := serve(t, ServerConfig{Groups: []Group{{AllowConnect: func(s *Session) error {
			if live != nil {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				if live.Challenge(ctx) == nil {
					return errors.New("the link is in use")
				}
				live.Abort(errors.New("it does not answer"))
				<-live.Done()
			}
			live = s
			return nil
		}}}})
		alive := dialRaw(t, n)
		alive.send("STARTDT act")
		alive.expect("STARTDT con")

		second, err := n.from("10.0.0.1:4000")(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		alive.expect("TESTFR act")
		alive.send("TESTFR con")
		if _, err := second.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("second connection: %v, want EOF", err)
		}

		began := time.Now()
		third := dialRaw(t, n)
		go func() { _, _ = io.Copy(io.Discard, alive.conn) }() // alive, but it does not answer
		third.send("STARTDT act")
		third.expect("STARTDT con")
		if d := time.Since(began); d != time.Second {
			t.Errorf("took over after %v, want 1s", d)
		}
		if c := srv.Counters(); c.Refused["refused"] != 1 || c.Accepted != 2 {
			t.Errorf("counted %+v", c)
		}
	})
}

func TestAllowStartMayTakeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		allow := make(chan error)
		asked := 0
		src := &scripted{n: 1, step: 1}
		_, n := serve(t, ServerConfig{Groups: []Group{{Source: src.source, AllowStart: func(ctx context.Context, s *Session) error {
			asked++
			select {
			case err := <-allow:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		}}}})
		c := dialRaw(t, n)
		c.send("STARTDT act")
		for range 3 {
			c.send("TESTFR act")
			c.expect("TESTFR con")
			c.quiet(10 * time.Second)
		}
		src.expect(t)
		allow <- nil
		c.expect("STARTDT con", "I 0 0")
		src.expect(t, "next 1")

		// The client takes its act back, and asks again.
		c = dialRaw(t, n)
		c.send("STARTDT act")
		synctest.Wait()
		c.send("STOPDT act")
		c.expect("STOPDT con")
		c.send("STARTDT act")
		c.quiet(time.Second)
		src.expect(t)
		allow <- errors.New("owned by another node")
		c.expect("")
		if asked != 3 {
			t.Errorf("asked %d times, want 3", asked)
		}
	})
}

func TestAVetoClosesTheLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed error
		_, n := serve(t, ServerConfig{Groups: []Group{{
			AllowStart: func(context.Context, *Session) error { return io.ErrNoProgress },
			Closed:     func(_ *Session, err error) { closed = err },
		}}})
		c := connect(t, n, ClientConfig{})
		if err := c.StartDT(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("StartDT: %v, want ErrClosed", err)
		}
		synctest.Wait()
		if !errors.Is(closed, ErrVeto) || !errors.Is(closed, io.ErrNoProgress) {
			t.Errorf("closed for %v, want ErrVeto and its reason", closed)
		}
	})
}

// After AllowStart has returned nil, Source is called, and its Stopped exactly
// once, whatever became of the link.
func TestSourceIsStoppedOnceForEachAllowedStart(t *testing.T) {
	for _, lost := range []string{"while allowing", "STOPDT while allowing", "by STOPDT", "by the client", "never"} {
		t.Run(lost, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &scripted{}
				srv, n := serve(t, ServerConfig{Groups: []Group{{Source: src.source, AllowStart: func(context.Context, *Session) error {
					time.Sleep(time.Second) // heeds no ctx
					return nil
				}}}})
				c := dialRaw(t, n)
				c.send("STARTDT act")
				synctest.Wait()
				switch lost {
				case "while allowing":
					c.conn.Close()
				case "STOPDT while allowing":
					c.send("STOPDT act")
					c.expect("STOPDT con")
				default:
					c.expect("STARTDT con")
				}
				switch lost {
				case "by STOPDT":
					c.send("STOPDT act")
					c.expect("STOPDT con")
				case "by the client":
					c.conn.Close()
				}
				time.Sleep(5 * time.Second)
				synctest.Wait()
				switch lost {
				case "never":
					src.expect(t)
					srv.Close()
					src.expect(t, "stopped true")
				case "by STOPDT", "STOPDT while allowing":
					src.expect(t, "stopped false")
					srv.Close()
					src.expect(t)
				default:
					src.expect(t, "stopped true")
				}
			})
		})
	}
}

func TestASlowHandlerBlocksNeitherTESTFRNorAcks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(100)
		g := queued(q)
		release := make(chan bool)
		var handled []uint64
		g.Handle = func(_ *Session, a ASDU, index uint64) { <-release; handled = append(handled, index) }
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
		g.WriteGuard = func(*Session) error { mu.Lock(); defer mu.Unlock(); asked++; return deny }
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

func TestAPeerThatDoesNotReadIsClosedAtT1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := make(chan error, 1)
		_, n := serve(t, ServerConfig{Groups: []Group{{Closed: func(_ *Session, err error) { closed <- err }}}})
		c := dialRaw(t, n)
		began := time.Now()
		c.send("TESTFR act")
		if err, d := <-closed, time.Since(began); d != 15*time.Second || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("closed after %v for %v, want t1 = 15s and a write that timed out", d, err)
		}
	})
}

func TestAPeerThatAsksAndDoesNotReadIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed error
		_, n := serve(t, ServerConfig{Groups: []Group{{Closed: func(_ *Session, err error) { closed = err }}}})
		c := dialRaw(t, n)
		flood := bytes.Repeat(AppendU(nil, TestFRAct), 100)
		for range 1000 {
			if _, err := c.conn.Write(flood); err != nil {
				break
			}
		}
		synctest.Wait()
		if !errors.Is(closed, ErrBacklog) {
			t.Errorf("closed for %v, want ErrBacklog", closed)
		}
	})
}

func TestAPeerThatIgnoresItsWindowIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed error
		release := make(chan bool)
		srv, n := serve(t, ServerConfig{Limits: Limits{Backlog: 1000}, Groups: []Group{{
			Handle: func(*Session, ASDU, uint64) { <-release },
			Closed: func(_ *Session, err error) { closed = err },
		}}})
		c := dialRaw(t, n)
		c.send("STARTDT act")
		c.expect("STARTDT con")
		for i := range 1000 {
			b, err := appendFrame(nil, fmt.Sprintf("I %d 0", i))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.conn.Write(b); err != nil {
				break
			}
		}
		close(release)
		synctest.Wait()
		if !errors.Is(closed, ErrBacklog) || srv.Counters().Closed["backlog"] != 1 {
			t.Errorf("closed for %v, want ErrBacklog", closed)
		}
	})
}

func TestFramesPerSecondAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed error
		_, n := serve(t, ServerConfig{Limits: Limits{FramesPerSecond: 10}, Groups: []Group{{
			Closed: func(_ *Session, err error) { closed = err },
		}}})
		c := dialRaw(t, n)
		for range 5 {
			for range 10 {
				c.send("TESTFR act")
				c.expect("TESTFR con")
			}
			time.Sleep(time.Second)
		}
		for range 10 {
			c.send("TESTFR act")
			c.expect("TESTFR con")
		}
		c.send("TESTFR act")
		c.expect("")
		synctest.Wait()
		if !errors.Is(closed, ErrRate) {
			t.Errorf("closed for %v, want ErrRate", closed)
		}
	})
}

func TestConnectionsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, n := serve(t, ServerConfig{Limits: Limits{Connections: 5, PerAddress: 3}, Groups: []Group{{}}})
		try := func(address string) bool {
			conn, err := n.from(address)(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			_ = conn.SetReadDeadline(time.Now().Add(time.Second))
			_, err = conn.Read(make([]byte, 1))
			return err != io.EOF
		}
		var got []bool
		for _, address := range []string{"10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3", "10.0.0.1:4", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1"} {
			got = append(got, try(address))
		}
		if want := []bool{true, true, true, false, true, true, false}; !slices.Equal(got, want) {
			t.Errorf("admitted %v, want %v", got, want)
		}
		if n := srv.Counters().Refused["limit"]; n != 2 {
			t.Errorf("counted %d", n)
		}
		for _, s := range srv.Sessions()[:3] {
			s.Close()
		}
		synctest.Wait()
		if !try("10.0.0.1:5") {
			t.Error("refused though there is room again")
		}
	})
}

func TestOrderOfSendSourceAndStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(100)
		var s *Session
		g := queued(q)
		g.Started = func(started *Session) {
			s = started
			if err := s.Stream(func(yield func(ASDU) bool) {
				for n := 201; n <= 205 && yield(eventASDU(n)); n++ {
				}
			}); err != nil {
				t.Error(err)
			}
			if err := s.Stream(func(yield func(ASDU) bool) { yield(eventASDU(206)) }); err != nil {
				t.Error(err)
			}
			for n := 1; n <= 3; n++ {
				if err := s.Send(eventASDU(n)); err != nil {
					t.Error(err)
				}
			}
		}
		_, n := serve(t, ServerConfig{Config: Config{K: 3, W: 2}, Groups: []Group{g}})
		push(t, q, 101, 104)
		c := start(t, n, ClientConfig{Config: Config{K: 3, W: 2, ManualAck: true}})
		var got []int
		step := func(ack uint64) {
			c.Ack(ack)
			got = append(got, numbers(c.take())...)
		}
		step(0)
		step(3)
		step(6)
		push(t, q, 105, 105) // an event goes before what is left of the streams
		if err := s.Send(eventASDU(4)); err != nil {
			t.Fatal(err)
		}
		for ack := uint64(9); ack < 30; ack += 3 {
			step(ack)
		}
		want := []int{1, 2, 3, 101, 102, 103, 104, 201, 202, 4, 105, 203, 204, 205, 206}
		if !slices.Equal(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	})
}

func TestStreamsEndWithTheLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := 0
		endless := func(yield func(ASDU) bool) {
			defer func() { ended++ }()
			for yield(eventASDU(1)) {
			}
		}
		var s *Session
		_, n := serve(t, ServerConfig{Groups: []Group{{Started: func(started *Session) { s = started }}}})
		c := start(t, n, ClientConfig{Config: Config{ManualAck: true}})
		for range maxOutgoing {
			if err := s.Stream(endless); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Stream(endless); !errors.Is(err, ErrFull) {
			t.Errorf("one too many: %v, want ErrFull", err)
		}
		synctest.Wait()
		c.Close()
		<-s.Done()
		if ended != 1 {
			t.Errorf("%d series were ended, want the one that had begun", ended)
		}
		if err := s.Stream(endless); !errors.Is(err, ErrClosed) {
			t.Errorf("after the end: %v, want ErrClosed", err)
		}
	})
}

func TestSendIsBoundedAndOnlyForStartedLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, n := serve(t, ServerConfig{Groups: []Group{{}}})
		c := connect(t, n, ClientConfig{Config: Config{ManualAck: true}})
		synctest.Wait()
		s := srv.Sessions()[0]
		if err := s.Send(eventASDU(1)); !errors.Is(err, ErrNotStarted) {
			t.Errorf("stopped: %v, want ErrNotStarted", err)
		}
		if err := c.StartDT(t.Context()); err != nil {
			t.Fatal(err)
		}
		var sent int
		var err error
		for err == nil {
			if err = s.Send(eventASDU(1)); err == nil {
				sent++
			}
			synctest.Wait()
		}
		if !errors.Is(err, ErrFull) || sent != maxOutgoing+12 {
			t.Errorf("sent %d, %v", sent, err)
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	q := NewQueue(3)
	push(t, q, 1, 3)
	if err := q.Push(eventASDU(4)); !errors.Is(err, ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
	if q.Len() != 3 {
		t.Errorf("%d in the queue, want 3", q.Len())
	}
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
			Tap:    func(_ *Session, dir Direction, _ time.Time, frame []byte) { note(&atServer, dir, frame) },
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
		mirrored := Counters{k.SentI, k.SentS, k.SentU, k.ReceivedI, k.ReceivedS, k.ReceivedU, k.SentOctets, k.ReceivedOctets, 0}
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

func TestRow33_MalformedASDUsAreRejectedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var handled []uint64
		var log strings.Builder
		srv, n := serve(t, ServerConfig{
			Log:    slog.New(slog.NewTextHandler(&log, nil)),
			Groups: []Group{{Handle: func(_ *Session, _ ASDU, index uint64) { handled = append(handled, index) }}},
		})
		c := dialRaw(t, n)
		c.send("STARTDT act")
		c.expect("STARTDT con")
		c.send("I 0 0",
			"hex 68 0e 02 00 00 00 2d 00 06 00 01 00 01 00 00 01",    // no object
			"hex 68 0e 04 00 00 00 2d 02 06 00 01 00 01 00 00 01",    // one of two
			"hex 68 0f 06 00 00 00 2d 01 06 00 01 00 01 00 00 01 01", // an octet too many
			"hex 68 04 08 00 00 00",                                  // no ASDU at all
			"hex 68 0f 0a 00 00 00 01 82 06 00 01 00 ff ff ff 01 01", // an address past 24 bits
			"I 6 0")
		c.expect("S 7")
		if !slices.Equal(handled, []uint64{1, 7}) {
			t.Errorf("handled %v, want 1 and 7", handled)
		}
		if n := srv.Counters().Malformed; n != 5 {
			t.Errorf("counted %d, want 5", n)
		}
		if n := strings.Count(log.String(), "ASDU rejected"); n != 1 {
			t.Errorf("logged %d times, want once:\n%s", n, &log)
		}
	})
}

func TestIndependentConnectionsAreGroupsOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, n := serve(t, ServerConfig{Groups: []Group{{
			Independent: true,
			Source:      func(*Session) Source { return &scripted{n: 2, step: 1} },
		}}})
		a, b := start(t, n, ClientConfig{}), start(t, n, ClientConfig{})
		for _, c := range []*recorder{a, b} {
			if got := numbers(c.take()); !slices.Equal(got, []int{1, 2}) || c.State() != Started {
				t.Errorf("got %v, %v", got, c.State())
			}
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
		"object address of 4": {Groups: []Group{{}}, Config: Config{Profile: Profile{2, 2, 4}}},
	} {
		if _, err := NewServer(cfg); !errors.Is(err, ErrConfig) && !errors.Is(err, ErrProfile) {
			t.Errorf("%s: %v, want ErrConfig or ErrProfile", name, err)
		}
	}
	for _, cfg := range []Config{{}, DefaultConfig(), {K: 2, W: 1}, {K: 2}, {K: 32767, W: 21844}, {T1: time.Second}, {T3: 48 * time.Hour}} {
		if err := cfg.Validate(); err != nil {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

// scarce is a listener that has no file descriptors for a while.
type scarce struct {
	*network
	failures int
}

func (s *scarce) Accept() (net.Conn, error) {
	if s.failures > 0 {
		s.failures--
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return s.network.Accept()
}

func TestServeOutlastsAShortageOfDescriptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, err := NewServer(ServerConfig{Groups: []Group{{}}})
		if err != nil {
			t.Fatal(err)
		}
		l := &scarce{newNetwork(), 10}
		served := begin(func() error { return srv.Serve(l) })
		c := start(t, l.network, ClientConfig{})
		c.Close()
		srv.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

// The client may stop and start again while the application is still thinking
// about what to send: that, or that it was the last, belongs to the link that
// was stopped.
func TestAStreamEndsWithAStopEvenWhileItIsAsked(t *testing.T) {
	for _, more := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan bool)
			first := true
			_, n := serve(t, ServerConfig{Groups: []Group{{Started: func(s *Session) {
				if !first {
					return
				}
				first = false
				time.Sleep(time.Millisecond) // STARTDT con goes out
				if err := s.Stream(func(yield func(ASDU) bool) {
					<-release
					if more {
						yield(eventASDU(1))
					}
				}); err != nil {
					t.Error(err)
				}
			}}}})
			c := dialRaw(t, n)
			c.send("STARTDT act")
			c.expect("STARTDT con")
			time.Sleep(time.Second)
			c.send("STOPDT act", "STARTDT act")
			synctest.Wait()
			close(release)
			c.expect("STOPDT con", "STARTDT con")
			c.quiet(10 * time.Second)
		})
	}
}

func TestTheNextSourceComesAfterTheLastWasStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var order []string
		note := func(s string) { mu.Lock(); defer mu.Unlock(); order = append(order, s) }
		_, n := serve(t, ServerConfig{Groups: []Group{{Source: func(*Session) Source {
			note("source")
			return &thinking{note}
		}}}})
		c := dialRaw(t, n)
		c.send("STARTDT act")
		synctest.Wait()
		c.send("STOPDT act", "STARTDT act")
		c.expect("STARTDT con", "STOPDT con", "STARTDT con")
		time.Sleep(time.Minute)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if want := []string{"source", "next", "stopped", "source", "next"}; len(order) < 5 || !slices.Equal(order[:5], want) {
			t.Errorf("%q, want %q", order, want)
		}
	})
}

// thinking is a source that has nothing, and takes a second to say so.
type thinking struct{ note func(string) }

func (s *thinking) Next() (a ASDU, index uint64, ok bool) {
	s.note("next")
	time.Sleep(time.Second)
	return a, 0, false
}
func (s *thinking) Acked(uint64)  {}
func (s *thinking) Stopped(error) { s.note("stopped") }

func TestNothingIsHandledAfterAnAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handled := 0
		_, n := serve(t, ServerConfig{Groups: []Group{{Handle: func(s *Session, _ ASDU, _ uint64) {
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
