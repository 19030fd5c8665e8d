package main

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/sim"
)

// orderJudge watches that the new events of each object come in order.
type orderJudge struct {
	mu     sync.Mutex
	newest map[asdu.InformationObjectAddress]time.Time
	wrong  []sim.Key
}

func (j *orderJudge) take(k sim.Key, isNew bool) {
	at, err := k.Time.Time(time.UTC)
	if err != nil || !isNew {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if at.Before(j.newest[k.Address]) {
		j.wrong = append(j.wrong, k)
	}
	j.newest[k.Address] = at
}

// A control centre whose FEP dies under load gets nothing out of order, and no
// more twice than docs/UPLINKS.md says: one window and 256 events.
func TestRepeatsStayWithinTheBound(t *testing.T) {
	judge := &orderJudge{newest: map[asdu.InformationObjectAddress]time.Time{}}
	s, ctx := newStation(t, rig.Options{Mode: "main-standby", OnEvent: judge.take})
	s.Simulate(func(ctx context.Context) { s.Devices[0].Emit(ctx, 4000, 16) })
	const window = 12 * 22 // k ASDUs of as many M_SP_TB_1 as fit
	for i := range 3 {
		st, err := s.WaitFor(ctx, "a whole station", func(st api.Status) bool {
			return rig.Complete(st) && len(st.Uplinks[0].Links) == 2 &&
				!slices.ContainsFunc(st.Nodes, func(n api.NodeStatus) bool { return !n.Alive })
		})
		if err != nil {
			t.Fatal(err)
		}
		noneLost(t, s.Settle(ctx))
		before, main := s.Centre.Received.Repeats(), st.Uplinks[0].Owner
		if err := s.Kill(main); err != nil {
			t.Fatal(err)
		}
		if _, err := s.WaitFor(ctx, "the other FEP", func(st api.Status) bool { return rig.Complete(st) && st.Uplinks[0].Owner != main }); err != nil {
			t.Fatal(err)
		}
		noneLost(t, s.Settle(ctx))
		repeats := s.Centre.Received.Repeats() - before
		t.Logf("kill %d, of %s: %d events came twice", i+1, main, repeats)
		if repeats > window+256 {
			t.Errorf("%d events came twice, want at most %d", repeats, window+256)
		}
		if err := s.Start(main); err != nil {
			t.Fatal(err)
		}
		allAnswer(t, ctx, s)
	}
	judge.mu.Lock()
	defer judge.mu.Unlock()
	if len(judge.wrong) > 0 {
		t.Errorf("%d events out of order, the first: %v", len(judge.wrong), judge.wrong[0])
	}
}
