package iec104

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
)

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
			Handle: func(*Session, asdu.ASDU, uint64) { <-release },
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

// A group's clients, however many connections they have, keep no other group's out, nor does anybody whom no group knows.
func TestGroupsHaveTheirShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, n := serve(t, ServerConfig{Limits: Limits{Connections: 40, PerAddress: 16}, Groups: []Group{
			{Name: "a", Clients: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}},
			{Name: "b", Clients: []netip.Prefix{netip.MustParsePrefix("10.2.0.0/16")}},
		}})
		open := func(address string) bool {
			conn, err := n.from(address)(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
			_, err = conn.Read(make([]byte, 1))
			return err != io.EOF
		}
		a := 0
		for i := range 100 {
			if open(fmt.Sprintf("10.1.0.%d:%d", 1+i%25, 1+i)) {
				a++
			}
			open(fmt.Sprintf("192.168.0.%d:%d", 1+i%25, 1+i))
		}
		if !open("10.2.0.1:1") {
			t.Error("a client of group b is refused")
		}
		if a != 20 {
			t.Errorf("group a has %d connections, want its share of 40, 20", a)
		}
		if refused := srv.Counters().Refused; refused["limit"] != 80 || refused["group"] != 100 {
			t.Errorf("refused %v, want 80 for the limit, 100 in no group", refused)
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

func TestRow33_MalformedASDUsAreRejectedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var handled []uint64
		var log strings.Builder
		srv, n := serve(t, ServerConfig{
			Log:    slog.New(slog.NewTextHandler(&log, nil)),
			Groups: []Group{{Handle: func(_ *Session, _ asdu.ASDU, index uint64) { handled = append(handled, index) }}},
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
