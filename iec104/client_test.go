package iec104

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
)

// fakeStation accepts one connection and speaks frames by hand.
func fakeStation(t *testing.T, cfg ClientConfig) (*Client, *raw) {
	t.Helper()
	client, server := net.Pipe()
	cfg.Dial = func(context.Context, string, string) (net.Conn, error) { return client, nil }
	c, err := Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close(); c.Close() })
	return c, &raw{t: t, conn: server}
}

// begin runs f on a goroutine of its own.
func begin(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

func TestRow17_StartDTAndStopDTEndAtT1(t *testing.T) {
	for _, which := range []string{"STARTDT", "STOPDT"} {
		synctest.Test(t, func(t *testing.T) {
			c, s := fakeStation(t, ClientConfig{})
			began := time.Now()
			done := begin(func() error { return c.StartDT(t.Context()) })
			s.expect("STARTDT act")
			if which == "STOPDT" {
				s.send("STARTDT con")
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				done = begin(func() error { return c.StopDT(t.Context()) })
				s.expect("STOPDT act")
			}
			err := <-done
			if !errors.Is(err, ErrClosed) || !errors.Is(err, ErrT1) || time.Since(began) != 15*time.Second {
				t.Errorf("%s: %v after %v, want ErrClosed and ErrT1 after 15s", which, err, time.Since(began))
			}
		})
	}
}

func TestStartDTAndStopDT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(10)
		_, n := serve(t, ServerConfig{Groups: []Group{queued(q)}})
		c := connect(t, n, ClientConfig{})
		next := 1
		for range 3 {
			if err := c.StartDT(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := c.StartDT(t.Context()); err != nil { // it is already
				t.Fatal(err)
			}
			push(t, q, next, next+1)
			if got := numbers(c.take()); !slices.Equal(got, count(next, next+1)) {
				t.Fatalf("got %v, want %d and the next", got, next)
			}
			next += 2
			if err := c.StopDT(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := c.State(); got != Stopped {
				t.Fatal(got)
			}
			if err := c.Send(t.Context(), testASDU()); !errors.Is(err, ErrNotSent) || !errors.Is(err, ErrNotStarted) {
				t.Errorf("Send while stopped: %v", err)
			}
		}
	})
}

func TestRow20_AckBearsOnlyWhatTheApplicationHasTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := fakeStation(t, ClientConfig{Config: Config{ManualAck: true}})
		done := begin(func() error { return c.StartDT(t.Context()) })
		s.expect("STARTDT act")
		s.send("STARTDT con", "I 0 0", "I 1 0", "I 2 0")
		<-done
		sent := begin(func() error { return c.Send(t.Context(), testASDU()) })
		s.expect("I 0 0")
		<-sent
		c.Ack(2)
		sent = begin(func() error { return c.Send(t.Context(), testASDU()) })
		s.expect("I 1 2")
		<-sent
		s.send("S 2")
		c.Ack(99) // not more than was received
		s.expect("S 3")
	})
}

func TestClientWriteGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deny := make(chan error, 1)
		guard := func() error {
			select {
			case err := <-deny:
				return err
			default:
				return nil
			}
		}
		// Before STARTDT act.
		c, s := fakeStation(t, ClientConfig{WriteGuard: guard})
		deny <- io.ErrNoProgress
		if err := c.StartDT(t.Context()); !errors.Is(err, ErrGuard) || !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("StartDT: %v", err)
		}
		s.expect("")

		// Before a command.
		c, s = fakeStation(t, ClientConfig{WriteGuard: guard})
		done := begin(func() error { return c.StartDT(t.Context()) })
		s.expect("STARTDT act")
		s.send("STARTDT con")
		<-done
		deny <- io.ErrNoProgress
		err := c.Command(t.Context(), Command{CommonAddress: 1, Type: asdu.C_SC_NA_1, Object: asdu.Object{Address: 1, Value: 1}})
		if !errors.Is(err, ErrNotSent) || !errors.Is(err, ErrGuard) {
			t.Errorf("Command: %v, want ErrNotSent and ErrGuard", err)
		}
		s.expect("")

		// A held link asks nobody.
		c, s = fakeStation(t, ClientConfig{WriteGuard: guard})
		deny <- io.ErrNoProgress
		s.send("TESTFR act")
		s.expect("TESTFR con")
		if len(deny) != 1 {
			t.Error("the guard was asked for a held link")
		}
	})
}

// A command whose context ends while the window is full is withdrawn, and the
// caller knows for certain.
func TestSendIsWithdrawnWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := fakeStation(t, ClientConfig{Config: Config{K: 2, W: 1}})
		done := begin(func() error { return c.StartDT(t.Context()) })
		s.expect("STARTDT act")
		s.send("STARTDT con")
		<-done
		for i := range 2 {
			done := begin(func() error { return c.Send(t.Context(), testASDU()) })
			s.expect(fmt.Sprintf("I %d 0", i))
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Send(ctx, testASDU()); !errors.Is(err, ErrNotSent) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want ErrNotSent and DeadlineExceeded", err)
		}
		if err := c.Send(ctx, testASDU()); !errors.Is(err, ErrNotSent) {
			t.Errorf("with a context that has ended: %v", err)
		}
		s.send("S 2")
		s.quiet(5 * time.Second)

		// More than may wait: Send itself waits.
		var waiting []<-chan error
		for range maxOutgoing + 10 {
			waiting = append(waiting, begin(func() error { return c.Send(t.Context(), testASDU()) }))
		}
		for i := range uint64(maxOutgoing + 10) {
			s.expect(fmt.Sprintf("I %d 0", i+2))
			s.send(fmt.Sprintf("S %d", i+3))
		}
		for _, w := range waiting {
			if err := <-w; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestSendWhenTheLinkIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := fakeStation(t, ClientConfig{Config: Config{K: 2, W: 1}})
		done := begin(func() error { return c.StartDT(t.Context()) })
		s.expect("STARTDT act")
		s.send("STARTDT con")
		<-done
		var sent []<-chan error
		for range 5 {
			sent = append(sent, begin(func() error { return c.Send(t.Context(), testASDU()) }))
		}
		s.expect("I 0 0", "I 1 0")
		s.conn.Close()
		notSent := 0
		for _, w := range sent {
			if err := <-w; errors.Is(err, ErrNotSent) {
				notSent++
			} else if err != nil {
				t.Error(err)
			}
		}
		if notSent != 3 {
			t.Errorf("%d were not sent, want 3", notSent)
		}
		if err := c.Send(t.Context(), testASDU()); !errors.Is(err, ErrNotSent) || !errors.Is(err, ErrClosed) {
			t.Errorf("afterwards: %v", err)
		}
		if err := c.Challenge(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("Challenge: %v", err)
		}
		if Reason(c.Err()) != "peer" {
			t.Errorf("closed for %v (%s), want the peer", c.Err(), Reason(c.Err()))
		}
	})
}

func TestASlowClientHandlerDoesNotBlockTESTFR(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan bool)
		c, s := fakeStation(t, ClientConfig{Handle: func(*Client, asdu.ASDU, uint64) { <-release }})
		done := begin(func() error { return c.StartDT(t.Context()) })
		s.expect("STARTDT act")
		s.send("STARTDT con", "I 0 0", "I 1 0")
		<-done
		for range 5 {
			s.send("TESTFR act")
			s.expect("TESTFR con")
			s.quiet(10 * time.Second)
		}
		close(release)
		s.expect("S 1", "S 2") // late as they are, at once
	})
}

func TestRow26_RunBacksOffAndTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var attempts []time.Duration
		srv, n := serve(t, ServerConfig{Groups: []Group{{}}})
		ctx, cancel := context.WithCancel(t.Context())
		runs := 0
		err := Run(ctx, ClientConfig{
			Retry: time.Second, RetryMax: 4 * time.Second,
			Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				attempts = append(attempts, time.Since(began))
				if len(attempts) <= 4 {
					<-ctx.Done() // t0 = 10 s
					return nil, ctx.Err()
				}
				return n.from("10.0.0.1:1")(ctx, "", "")
			},
		}, func(ctx context.Context, c *Client) error {
			runs++
			if runs == 3 {
				cancel()
				return nil
			}
			if err := c.StartDT(ctx); err != nil {
				return err
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			for _, s := range srv.Sessions() {
				s.Close()
			}
			<-ctx.Done() // the link was lost
			return nil
		})
		if err != context.Canceled {
			t.Errorf("Run: %v", err)
		}
		want := []time.Duration{0, 11, 23, 37, 51, 112, 173} // +1, +2, +4, +4; after a started link +1
		for i := range want {
			want[i] *= time.Second
		}
		if !slices.Equal(attempts, want) {
			t.Errorf("attempts at %v, want %v", attempts, want)
		}
	})
}

func TestDialEndsAtT0(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := Dial(t.Context(), ClientConfig{Config: Config{T0: 3 * time.Second}, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
	if _, err := Dial(t.Context(), ClientConfig{Config: Config{K: 3, W: 3}}); !errors.Is(err, ErrConfig) {
		t.Errorf("got %v, want ErrConfig", err)
	}
	if err := Run(t.Context(), ClientConfig{Config: Config{K: 3, W: 3}}, nil); !errors.Is(err, ErrConfig) {
		t.Errorf("got %v, want ErrConfig", err)
	}
}

// A tap takes its time: the guard has the last word.
func TestWriteGuardIsAskedAfterTheTap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		c, s := fakeStation(t, ClientConfig{
			WriteGuard: func() error {
				if time.Since(began) >= time.Second {
					return io.ErrNoProgress
				}
				return nil
			},
			Tap: func(Direction, time.Time, []byte) { time.Sleep(time.Second) },
		})
		if err := c.StartDT(t.Context()); !errors.Is(err, ErrGuard) {
			t.Errorf("StartDT: %v, want ErrGuard", err)
		}
		s.expect("")
	})
}

// An answer to the selection that comes again, or late, is none to the execution.
func TestASelectionIsNotTheExecution(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := fakeStation(t, ClientConfig{})
		done := begin(func() error { return c.StartDT(t.Context()) })
		s.expect("STARTDT act")
		s.send("STARTDT con")
		<-done
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		done = begin(func() error {
			return c.Command(ctx, Command{CommonAddress: 1, Type: asdu.C_SC_NA_1, Object: asdu.Object{Address: 1, Value: 1}, SelectFirst: true})
		})
		s.expect("I 0 0")
		selected := func(n int) []byte {
			a, err := asdu.DefaultProfile.New(asdu.Header{Type: asdu.C_SC_NA_1, Cause: asdu.ActivationCon, CommonAddress: 1}, asdu.Object{Address: 1, Value: 1, Qualifier: asdu.SelectBit})
			if err != nil {
				t.Fatal(err)
			}
			return AppendI(nil, uint16(n), 1, a)
		}
		if _, err := s.conn.Write(selected(0)); err != nil {
			t.Fatal(err)
		}
		s.expect("I 1 1")
		if _, err := s.conn.Write(selected(1)); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrNotSent) {
			t.Errorf("got %v, want DeadlineExceeded: it may have been executed", err)
		}
	})
}
