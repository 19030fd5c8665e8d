package raftio

import (
	"testing"
	"testing/synctest"
	"time"
)

// A witness leaves the election to the FEPs for twice their heartbeat timeout, unless one of them shows that it can't win.
func TestWitnessLeavesTheElectionToTheFEPs(t *testing.T) {
	const heartbeat = 300 * time.Millisecond
	contact := func() time.Duration { return time.Second }
	for _, tc := range []struct {
		name   string
		begin  time.Duration // clock reading at which Raft asks
		behind time.Duration // clock reading of a FEP's request with a shorter log; 0: none
		from   time.Duration // the guard answers between from and to
		to     time.Duration
		may    bool
	}{
		{"early", 1200 * time.Millisecond, 0, 1500 * time.Millisecond, 1500 * time.Millisecond, false},
		{"late", 3 * time.Second, 0, 3 * time.Second, 3 * time.Second, true},
		{"a FEP is behind", 1200 * time.Millisecond, 1310 * time.Millisecond, 1310 * time.Millisecond, 1310 * time.Millisecond, true},
		{"a FEP was behind before a leader was heard", 1200 * time.Millisecond, 900 * time.Millisecond, 1500 * time.Millisecond, 1500 * time.Millisecond, false},
		{"in the middle", 1590 * time.Millisecond, 0, 1600 * time.Millisecond, 1890 * time.Millisecond, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				clock := func() time.Duration { return time.Since(begin) }
				g := newCampaignGuard(heartbeat)
				if tc.behind > 0 {
					time.AfterFunc(tc.behind, func() { g.noteBehind(clock()) })
				}
				time.Sleep(tc.begin)
				err := g.await(clock, contact, nil)
				if tc.name == "in the middle" && err != nil {
					return // the limit that was drawn is later than this election
				}
				if may := err == nil; may != tc.may {
					t.Errorf("may campaign: %v (%v), want %v", may, err, tc.may)
				}
				if at := clock(); at < tc.from || at > tc.to {
					t.Errorf("answered at %v, want %v to %v", at, tc.from, tc.to)
				}
			})
		})
	}
}
