package iec104

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
)

// brokenSource panics where it is told to.
type brokenSource struct {
	where string
	sent  bool
}

func (s *brokenSource) Next() (asdu.ASDU, uint64, bool) {
	if s.where == "Next" {
		panic("Next")
	}
	if s.sent {
		return asdu.ASDU{}, 0, false
	}
	s.sent = true
	return eventASDU(1), 1, true
}

func (s *brokenSource) Acked(uint64) {
	if s.where == "Acked" {
		panic("Acked")
	}
}

func (s *brokenSource) Stopped(error) {
	if s.where == "Stopped" {
		panic("Stopped")
	}
}

// A panic on one link of a controlled station costs that link alone, wherever it happens: others of its group go on, and the client
// that has lost it may come again.
func TestPanicsCostOneLink(t *testing.T) {
	for _, where := range []string{"AllowConnect", "AllowStart", "Source", "Started", "Next", "Acked", "Stopped", "Handle", "Guard", "Tap", "Closed"} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				evil := netip.MustParseAddr("203.0.113.66")
				at := func(s *Session, here string) {
					if s.RemoteAddr().Addr() == evil && here == where {
						panic(here)
					}
				}
				var told atomic.Int32
				cfg := ServerConfig{Groups: []Group{{
					Name: "occ", Independent: true,
					AllowConnect: func(s *Session) error {
						at(s, "AllowConnect")
						s.SetWriteGuard(func() error { at(s, "Guard"); return nil })
						return nil
					},
					AllowStart: func(_ context.Context, s *Session) error { at(s, "AllowStart"); return nil },
					Source: func(s *Session) Source {
						at(s, "Source")
						b := &brokenSource{}
						if s.RemoteAddr().Addr() == evil {
							b.where = where
						}
						return b
					},
					Started: func(s *Session) { at(s, "Started") },
					Handle:  func(s *Session, _ asdu.ASDU, _ uint64) { at(s, "Handle") },
					Closed:  func(s *Session, _ error) { at(s, "Closed") },
				}}}
				cfg.Panicked = func(value any, stack []byte) {
					if value != where || len(stack) == 0 {
						t.Errorf("told of %v, %d octets of stack", value, len(stack))
					}
					told.Add(1)
				}
				cfg.Tap = func(s *Session) Tap {
					if where == "Tap" && s.RemoteAddr().Addr() == evil {
						return func(Direction, time.Time, []byte) { panic("Tap") }
					}
					return nil
				}
				srv, n := serve(t, cfg)
				good := start(t, n, ClientConfig{})
				for range 2 {
					bad, err := Dial(t.Context(), ClientConfig{Config: Config{T2: 100 * time.Millisecond}, Dial: n.from("203.0.113.66:40000")})
					if err != nil {
						t.Fatal(err)
					}
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					if bad.StartDT(ctx) == nil {
						_ = bad.Send(ctx, eventASDU(2))
					}
					cancel()
					time.Sleep(time.Second) // in virtual time: so that it acknowledges what came
					bad.Close()
				}
				synctest.Wait()
				if told.Load() < 2 {
					t.Errorf("told of %d panics in two connections", told.Load())
				}
				if good.State() != Started || len(good.take()) != 1 {
					t.Errorf("the other link: %v, %v", good.State(), good.Err())
				}
				if left := srv.Sessions(); len(left) != 1 {
					t.Errorf("%d sessions are left, expected the other link", len(left))
				}
			})
		})
	}
}

// A controlling station's link likewise.
func TestPanicOfAClientsHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, n := serve(t, ServerConfig{Groups: []Group{{Name: "occ", Independent: true, Source: func(*Session) Source { return &brokenSource{} }}}})
		good := start(t, n, ClientConfig{})
		bad := connect(t, n, ClientConfig{Handle: func(*Client, asdu.ASDU, uint64) { panic("Handle") }})
		_ = bad.StartDT(t.Context()) // it may be over before it is confirmed
		<-bad.Done()
		if !errors.Is(bad.Err(), ErrPanic) {
			t.Errorf("closed for %v", bad.Err())
		}
		if good.State() != Started {
			t.Errorf("the other link: %v", good.Err())
		}
	})
}
