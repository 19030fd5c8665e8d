package replica_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
	"github.com/fepha/fepha/replica/replicatest"
)

// operated runs a test with a running operator on fep2 of a station whose RTU is fep1's.
func operated(t *testing.T, test func(t *testing.T, s *replicatest.Station, o *replica.Operator)) {
	synctest.Test(t, func(t *testing.T) {
		s := replicatest.New(t, configuration)
		s.Assign(t, fsm.RTUResource(1), "fep1")
		s.SetDelay(time.Millisecond)
		o := replica.NewOperator(s.Node("fep2"))
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { o.Run(ctx) })
		defer running.Wait()
		defer cancel()
		test(t, s, o)
	})
}

func submission(id string) *fsmpb.ControlSubmit {
	return &fsmpb.ControlSubmit{Id: id, Origin: "test", Rtu: 1, Kind: fsmpb.Kind_DO, Point: 1, Type: 45, Value: 1,
		DeadlineMs: time.Now().Add(time.Second).UnixMilli()}
}

func soon() time.Time { return time.Now().Add(time.Second) }

// starts makes the owner start a control, and result tell what came of it.
func starts(t *testing.T, s *replicatest.Station, id string) {
	s.Do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_ControlStart{ControlStart: &fsmpb.ControlStart{Id: id, Epoch: 1, Node: "fep1"}}})
}

func result(t *testing.T, s *replicatest.Station, id string, ok, terminated bool) {
	s.Do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_ControlResult{ControlResult: &fsmpb.ControlResult{Id: id, Epoch: 1, Ok: ok, Terminated: terminated}}})
}

func TestOperation(t *testing.T) {
	for _, async := range []bool{false, true} {
		t.Run(fmt.Sprint("async ", async), func(t *testing.T) {
			operated(t, func(t *testing.T, s *replicatest.Station, o *replica.Operator) {
				var op *replica.Operation
				var err error
				if async {
					op = o.SubmitAsync(submission("a"))
				} else if op, err = o.Submit(t.Context(), submission("a")); err != nil {
					t.Fatal(err)
				}
				go func() {
					time.Sleep(10 * time.Millisecond)
					starts(t, s, "a")
					result(t, s, "a", true, false)
					time.Sleep(10 * time.Millisecond)
					result(t, s, "a", true, true)
				}()
				var confirmed time.Time
				c, err := op.Wait(t.Context(), soon(), func() { confirmed = time.Now() })
				if err != nil || c.Stage != fsm.Done || !c.OK || time.Since(confirmed) != 10*time.Millisecond {
					t.Errorf("%+v, %v, confirmed %v before", c, err, time.Since(confirmed))
				}
			})
		})
	}
}

func TestOperationWithoutAnAnswer(t *testing.T) {
	for _, started := range []bool{false, true} {
		operated(t, func(t *testing.T, s *replicatest.Station, o *replica.Operator) {
			op := o.SubmitAsync(submission("a"))
			began, want := time.Now(), "deadline"
			if started {
				time.Sleep(10 * time.Millisecond)
				starts(t, s, "a")
				want = "unknown outcome: deadline"
			}
			c, err := op.Wait(t.Context(), began.Add(time.Second), nil)
			if err != nil || c.OK || c.Reason != want || time.Since(began) > 1010*time.Millisecond {
				t.Errorf("%+v, %v after %v", c, err, time.Since(began))
			}
		})
	}
}

func TestOperationThatIsRefused(t *testing.T) {
	operated(t, func(t *testing.T, s *replicatest.Station, o *replica.Operator) {
		first := o.SubmitAsync(submission("a"))
		second := submission("b")
		second.Alone = true
		_, err := o.Submit(t.Context(), second)
		if no, ok := errors.AsType[*replica.RefusedError](err); !ok || no.Result.Code != fsmpb.Result_CONFLICT || !strings.Contains(err.Error(), "under way") {
			t.Errorf("%v, expected a refusal", err)
		}
		second.Id = "c"
		if _, err := o.SubmitAsync(second).Wait(t.Context(), soon(), nil); !strings.Contains(fmt.Sprint(err), "under way") {
			t.Errorf("%v, expected a refusal", err)
		}
		if _, err := first.Wait(t.Context(), soon(), nil); err != nil {
			t.Error(err)
		}
	})
}

// What was submitted before, perhaps by another node, is not submitted again.
func TestOperationThatIsKnown(t *testing.T) {
	operated(t, func(t *testing.T, s *replicatest.Station, o *replica.Operator) {
		s.Do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_ControlSubmit{ControlSubmit: submission("a")}})
		starts(t, s, "a")
		result(t, s, "a", true, true)
		before := len(s.Committed())
		op, err := o.Submit(t.Context(), submission("a"))
		if err != nil {
			t.Fatal(err)
		}
		if c, err := op.Wait(t.Context(), soon(), nil); err != nil || !c.OK || len(s.Committed()) != before {
			t.Errorf("%+v, %v, %d commands", c, err, len(s.Committed())-before)
		}
	})
}

func TestOperationWithoutALeader(t *testing.T) {
	operated(t, func(t *testing.T, s *replicatest.Station, o *replica.Operator) {
		op, err := o.Submit(t.Context(), submission("a"))
		if err != nil {
			t.Fatal(err)
		}
		s.SetLeader(false)
		began := time.Now()
		if _, err := op.Wait(t.Context(), soon(), nil); !errors.Is(err, replica.ErrNoLeader) || time.Since(began) != 6*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := o.Submit(ctx, submission("b")); !errors.Is(err, replica.ErrNoLeader) {
			t.Error(err)
		}
		s.SetLeader(true)
		if _, err := o.Expire(t.Context(), "b"); !errors.Is(err, replica.ErrForgotten) {
			t.Errorf("%v, expected that it's not known", err)
		}
	})
}

// counting counts the looks at the state.
type counting struct {
	*replicatest.Node
	mu    sync.Mutex
	views int
}

func (n *counting) View(read func(*fsm.State)) {
	n.mu.Lock()
	n.views++
	n.mu.Unlock()
	n.Node.View(read)
}

// However many wait, an entry costs one look at the state; and none while nobody waits.
func TestOperatorLooksOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := replicatest.New(t, configuration)
		s.Assign(t, fsm.RTUResource(1), "fep1")
		n := &counting{Node: s.Node("fep2")}
		o := replica.NewOperator(n)
		ctx, cancel := context.WithCancel(t.Context())
		var running, waiting sync.WaitGroup
		running.Go(func() { o.Run(ctx) })
		const operations, entries = 200, 50
		for i := range operations {
			c := submission(fmt.Sprint(i))
			c.Point = uint32(i)
			op := o.SubmitAsync(c)
			waiting.Go(func() {
				if _, err := op.Wait(ctx, soon(), nil); err != nil {
					t.Error(err)
				}
			})
		}
		looks := func() int {
			synctest.Wait()
			n.mu.Lock()
			defer n.mu.Unlock()
			return n.views
		}
		before := looks()
		for range entries {
			grow(s)
			synctest.Wait()
		}
		if got := looks() - before; got > entries {
			t.Errorf("%d looks at the state for %d entries, with %d who wait", got, entries, operations)
		}
		for i := range operations {
			starts(t, s, fmt.Sprint(i))
			result(t, s, fmt.Sprint(i), true, true)
		}
		waiting.Wait()
		grow(s)
		before = looks()
		grow(s)
		if got := looks() - before; got != 0 {
			t.Errorf("%d looks at the state while nobody waits", got)
		}
		cancel()
		running.Wait()
	})
}
