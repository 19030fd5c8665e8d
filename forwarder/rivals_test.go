package forwarder

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
)

func TestRivals(t *testing.T) {
	var r rivals
	now := time.Unix(1_700_000_000, 0)
	serve := func(host, before string) {
		t.Helper()
		if got, other := r.serve(now, host); got != before || other != (before != "") {
			t.Fatalf("%s after %q, %t, want %q", host, got, other, before)
		}
	}
	quarrel := func(want string, takes int) {
		t.Helper()
		if first, second, n := r.quarrel(); strings.Trim(first+" "+second, " ") != want || n != takes {
			t.Fatalf("%s and %s, %d times, want %q, %d", first, second, n, want, takes)
		}
	}
	serve("b", "")
	quarrel("", 0)
	serve("b", "")
	serve("a", "b")
	serve("c", "a") // a third one, once, is none of it
	serve("a", "c")
	serve("b", "a")
	quarrel("", 0)
	now = now.Add(30 * time.Second)
	serve("a", "b")
	quarrel("a b", 3)
	now = now.Add(31 * time.Second) // half of it is long ago
	quarrel("a b", 3)
	serve("b", "a")
	quarrel("", 0)
}

// connectFrom is a client at an address of this host.
func connectFrom(t *testing.T, from, to string) *iec104.Client {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	var c *iec104.Client
	eventually(t, "connected to "+to, func() (ok bool) {
		var err error
		c, err = iec104.Dial(t.Context(), iec104.ClientConfig{Address: to, Dial: dialer.DialContext})
		return err == nil
	})
	t.Cleanup(func() { c.Close() })
	return c
}

// Two control centres in one group: the one that came just now keeps its place as long as it answers, every change is told,
// and so is the quarrel.
func TestTwoCentresInOneGroup(t *testing.T) {
	for _, mode := range []fsm.Mode{fsm.MainStandby, fsm.DualActive} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			c := startStation(t, mode.Proto(), "a")
			f := c.start(t, "fep1", Uplink{Mode: mode})
			hosts := []string{"127.0.0.1", "127.0.0.2"}
			var asked time.Time // before the newest start; the link is no older than that
			start := func(i int) (*iec104.Client, error) {
				asked = time.Now()
				cl := connectFrom(t, hosts[i%2], f.address)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				return cl, cl.StartDT(ctx)
			}
			live, err := start(0)
			if err != nil {
				t.Fatal(err)
			}
			began := asked
			for i := 1; i <= rivalTakes; i++ {
				refused := 0
				next, err := start(i)
				for ; err != nil; next, err = start(i) {
					if refused++; live.Err() != nil {
						t.Fatalf("the live link ended although it answers: %v", live.Err())
					}
				}
				if held := time.Since(began); held < youngLink || refused == 0 {
					t.Fatalf("the link changed hands after %v, %d were refused", held, refused)
				}
				began, live = asked, next
			}
			eventually(t, "the quarrel is told", func() bool {
				return c.said.IDs() == condition.TwoCentres.ID(groupA)
			})
			told := c.said.Says(condition.TwoCentres.ID(groupA))
			if !strings.Contains(told, "127.0.0.1") || !strings.Contains(told, "127.0.0.2") {
				t.Errorf("%q does not name both", told)
			}
			if n := f.logged.served.Load(); n != rivalTakes {
				t.Errorf("%d lines tell of a change, want %d", n, rivalTakes)
			}
			changes := 0
			c.View(func(s *fsm.State) {
				for _, e := range s.ReadAudit(0, 1000) {
					if e.Note.Kind == fsm.NoteAction && e.Note.Resource == groupA {
						changes++
					}
				}
			})
			if changes != rivalTakes {
				t.Errorf("%d changes are in the audit, want %d", changes, rivalTakes)
			}
		})
	}
}

// A link that has died gives way at once, however young it is, and so does one to another connection of the same address.
func TestYoungLinkThatDoesNotAnswerGivesWay(t *testing.T) {
	c := startStation(t, fsm.MainStandby.Proto(), "a")
	f := c.start(t, "fep1", Uplink{Mode: fsm.MainStandby})
	first := begin(t, f.address)
	second := begin(t, f.address)
	eventually(t, "the older link of the same address is closed", func() bool { return first.Err() != nil })
	if err := second.Err(); err != nil {
		t.Fatal(err)
	}
	second.Close()

	dead, err := net.Dial("tcp", f.address) // starts, and then says nothing any more
	if err != nil {
		t.Fatal(err)
	}
	defer dead.Close()
	if _, err := dead.Write(iec104.AppendU(nil, iec104.StartDTAct)); err != nil {
		t.Fatal(err)
	}
	if _, err := dead.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	var started error = errors.New("none yet")
	for started != nil && time.Since(began) < youngLink {
		cl := connectFrom(t, "127.0.0.2", f.address)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		started = cl.StartDT(ctx)
		cancel()
	}
	if started != nil {
		t.Fatalf("a dead link held its place for %v: %v", time.Since(began), started)
	}
}
