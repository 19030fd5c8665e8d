package main

import (
	"context"
	"flag"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

var claimRaces = flag.Int("claims", 12, "how often the control centres race in each mode of TestClaimRaces")

// Control centres send STARTDT on both FEPs at the same moment, over and over:
// one of them has the group, and the other is closed or told that it is
// standby.
//
//	go test ./cmd/fepha -run ClaimRaces -claims 1000 -v
func TestClaimRaces(t *testing.T) {
	for _, mode := range []string{"exclusive", "main-standby"} {
		t.Run(mode, func(t *testing.T) {
			s, ctx := newStation(t, rig.Options{Mode: mode, NoCentre: true, Lease: 2 * time.Second})
			won := map[int]int{}
			var slowest time.Duration
			rng := rand.New(rand.NewPCG(1, 0))
			for i := range *claimRaces {
				r := newRace(t, ctx, s)
				// At once, or one of them a little later: within the time that a claim takes.
				began := time.Now()
				r.start(ctx, time.Duration(rng.IntN(3))*time.Duration(rng.IntN(2000))*time.Microsecond, i%2)
				winner := r.judge(t, mode)
				if t.Failed() {
					t.Fatalf("race %d", i+1)
				}
				slowest = max(slowest, time.Since(began))
				won[winner]++
				r.end(t, mode, winner)
			}
			t.Logf("%s: %d races, won by fep1 %d, by fep2 %d; decided within %v", mode, *claimRaces, won[0], won[1], slowest.Round(time.Millisecond))
		})
	}
}

// race is one race: a control centre on each FEP.
type race struct {
	centres [2]*racer
	mains   atomic.Int32 // centres that believe that their link is main
	both    atomic.Bool  // they did at the same time
}

// racer is one of the two.
type racer struct {
	*iec104.Client
	race *race
	err  error // of STARTDT
	role atomic.Int32
}

// What a racer was told last.
const (
	untold int32 = iota
	toldStandby
	toldMain
)

// newRace connects to both FEPs of a station whose group nobody has.
func newRace(t *testing.T, ctx context.Context, s *rig.Station) *race {
	t.Helper()
	for _, n := range s.Nodes()[:2] {
		c := client.Client{Base: n.API}
		eventually(t, n.ID+" to see the group without an owner", func() bool {
			st, err := c.Status(ctx)
			return err == nil && len(st.Uplinks) == 1 && st.Uplinks[0].Owner == "" &&
				!slices.ContainsFunc(st.Uplinks[0].Links, func(l api.UplinkClient) bool { return l.Role != "held" })
		})
	}
	r := &race{}
	for i, address := range s.Uplinks() {
		c := &racer{race: r}
		eventually(t, "a connection to "+address, func() bool { // in exclusive mode the loser's port was closed a moment ago
			var err error
			c.Client, err = iec104.Dial(ctx, iec104.ClientConfig{Address: address, Handle: c.handle})
			return err == nil
		})
		r.centres[i] = c
	}
	return r
}

func (c *racer) handle(_ *iec104.Client, a asdu.ASDU, _ uint64) {
	if a.Type != asdu.M_SP_TB_1 || a.Object(0).Address != rig.RoleIOA {
		return
	}
	role := toldStandby + int32(a.Object(0).Value)
	if role == toldMain && c.role.Load() != toldMain && c.race.mains.Add(1) > 1 {
		c.race.both.Store(true)
	}
	c.role.Store(role)
}

// close ends a racer, which from now on believes nothing.
func (c *racer) close() {
	if c.role.Swap(untold) == toldMain {
		c.race.mains.Add(-1)
	}
	c.Close()
}

// start sends STARTDT on both; on one of them later.
func (r *race) start(ctx context.Context, later time.Duration, which int) {
	var ready, ended sync.WaitGroup
	ready.Add(1)
	for i, c := range r.centres {
		ended.Go(func() {
			ready.Wait()
			if i == which {
				time.Sleep(later)
			}
			c.err = c.StartDT(ctx)
		})
	}
	ready.Done()
	ended.Wait()
}

// judge says who has the group: exactly one must.
func (r *race) judge(t *testing.T, mode string) (winner int) {
	t.Helper()
	a, b := r.centres[0], r.centres[1]
	if mode == "exclusive" {
		if (a.err == nil) == (b.err == nil) {
			t.Errorf("STARTDT on fep1: %v; on fep2: %v; want one confirmed", a.err, b.err)
			return 0
		}
		if a.err != nil {
			winner = 1
		}
		loser := r.centres[1-winner]
		eventually(t, "the loser to be closed", func() bool { return loser.Err() != nil })
		return winner
	}
	if a.err != nil || b.err != nil {
		t.Errorf("STARTDT on fep1: %v; on fep2: %v; want both confirmed", a.err, b.err)
		return 0
	}
	// Both may be told that they are standby at first: the group was another's a moment ago.
	eventually(t, "one to be told that it is main", func() bool { return r.mains.Load() > 0 })
	eventually(t, "both to be told their role", func() bool { return a.role.Load() != untold && b.role.Load() != untold })
	if b.role.Load() == toldMain {
		winner = 1
	}
	return winner
}

// end closes both. In main-standby mode the other one is main after the first.
func (r *race) end(t *testing.T, mode string, winner int) {
	t.Helper()
	other := r.centres[1-winner]
	if mode == "main-standby" {
		r.centres[winner].close()
		eventually(t, "the standby to be main", func() bool { return other.role.Load() == toldMain })
	}
	r.centres[winner].close()
	other.close()
	if r.both.Load() {
		t.Error("two mains at the same time")
	}
}
