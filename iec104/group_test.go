package iec104

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

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
