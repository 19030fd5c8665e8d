package iec104

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
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

func (s *scripted) Next() (asdu.ASDU, uint64, bool) {
	s.mu.Lock()
	if s.next == s.n {
		s.mu.Unlock()
		return asdu.ASDU{}, 0, false
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

func (s *scripted) Stopped(err error) { s.enter(fmt.Sprint("stopped ", err != nil))() }

func (s *scripted) expect(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.calls, want) {
		t.Errorf("source was called\n%q, want\n%q", s.calls, want)
	}
	s.calls = nil
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

func TestOrderOfSendSourceAndStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(100)
		var s *Session
		g := queued(q)
		g.Started = func(started *Session) {
			s = started
			for n := 1; n <= 3; n++ { // they fill the window
				if err := s.Send(eventASDU(n)); err != nil {
					t.Error(err)
				}
			}
			if err := s.Stream(func(yield func(asdu.ASDU) bool) {
				for n := 201; n <= 205 && yield(eventASDU(n)); n++ {
				}
			}); err != nil {
				t.Error(err)
			}
			if err := s.Stream(func(yield func(asdu.ASDU) bool) { yield(eventASDU(206)) }); err != nil {
				t.Error(err)
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
		endless := func(yield func(asdu.ASDU) bool) {
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
		if err := s.Stream(endless); !errors.Is(err, ErrNoRoom) {
			t.Errorf("one too many: %v, want ErrNoRoom", err)
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
		if !errors.Is(err, ErrNoRoom) || sent != maxOutgoing+12 {
			t.Errorf("sent %d, %v", sent, err)
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	q := NewQueue(3)
	push(t, q, 1, 3)
	if err := q.Push(eventASDU(4)); !errors.Is(err, ErrNoRoom) {
		t.Errorf("got %v, want ErrNoRoom", err)
	}
	if q.Len() != 3 {
		t.Errorf("%d in the queue, want 3", q.Len())
	}
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
				if err := s.Stream(func(yield func(asdu.ASDU) bool) {
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

func (s *thinking) Next() (a asdu.ASDU, index uint64, ok bool) {
	s.note("next")
	time.Sleep(time.Second)
	return a, 0, false
}

func (s *thinking) Acked(uint64) {}

func (s *thinking) Stopped(error) { s.note("stopped") }
