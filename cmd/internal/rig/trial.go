package rig

import (
	"context"
	"fmt"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/sim"
)

// Trial is what one fault cost, as the control centre saw it.
type Trial struct {
	Owner    string        // the node that the fault hit
	Taker    string        // who owned RTU and uplink afterwards
	Gap      time.Duration // longest time without a new event at the control centre
	Lost     []sim.Key     // events that never came
	Repeated int           // events that came again
}

// settleTimeout bounds how long the station may take to be whole again.
const settleTimeout = 30 * time.Second

// KillOwner kills the node that owns the first RTU with SIGKILL while its
// device emits, waits until the other FEP has everything, starts the node
// again, and judges once all that the devices had sent by then has had the
// chance to arrive.
func (s *Station) KillOwner(ctx context.Context) (Trial, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*settleTimeout)
	defer cancel()
	st, err := s.WaitFor(ctx, "a complete station", Complete)
	if err != nil {
		return Trial{}, err
	}
	t := Trial{Owner: st.RTUs[0].Owner}
	repeats := s.Centre.Received.Repeats()
	before := s.Centre.Received.Len()
	s.Centre.Received.ResetGap()
	if err := s.Kill(t.Owner); err != nil {
		return t, fmt.Errorf("killing %s: %w", t.Owner, err)
	}
	st, err = s.WaitFor(ctx, "the other FEP to take over", func(st api.Status) bool {
		return Complete(st) && st.RTUs[0].Owner != t.Owner && st.Uplinks[0].Owner != t.Owner
	})
	if err != nil {
		return t, err
	}
	t.Taker = st.RTUs[0].Owner
	if err := waitUntil(ctx, "events from the new owner", func() bool { return s.Centre.Received.Len() > before+10 }); err != nil {
		return t, err
	}
	t.Gap = s.Centre.Received.LongestGap()
	if err := s.Start(t.Owner); err != nil {
		return t, err
	}
	st, err = s.WaitFor(ctx, t.Owner+" to be back", func(st api.Status) bool {
		for _, n := range st.Nodes {
			if !n.Alive {
				return false
			}
		}
		return Complete(st)
	})
	if err != nil {
		return t, err
	}
	// Before it has caught up, another kill would be a double fault.
	back := api.Client{Base: s.Node(t.Owner).API}
	if err := waitUntil(ctx, t.Owner+" to catch up", func() bool {
		own, err := back.Status(ctx)
		return err == nil && own.Journal.Last >= st.Journal.Last
	}); err != nil {
		return t, err
	}
	t.Lost = s.Settle(ctx)
	t.Repeated = s.Centre.Received.Repeats() - repeats
	return t, nil
}

// Settle waits until the control centre has every event that the devices have
// sent so far, and returns those that it still lacks when settleTimeout or ctx
// ends. Devices may go on emitting: what is younger than the call counts only
// if it has to wait anyway.
func (s *Station) Settle(ctx context.Context) []sim.Key {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	var lost []sim.Key
	for i := range s.Devices {
		missing := s.Lost(i)
		for len(missing) > 0 && ctx.Err() == nil {
			_ = waitUntil(ctx, "", func() bool {
				missing = s.Centre.Received.Lacks(missing)
				return len(missing) == 0
			})
		}
		lost = append(lost, missing...)
	}
	return lost
}

func waitUntil(ctx context.Context, what string, good func() bool) error {
	for !good() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}
