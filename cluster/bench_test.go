package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// BenchmarkCommit is one small command at a time, committed on a quorum: from the leader, from a follower, and, alternating
// with the leader's, the same entry given to Raft itself. x-raft is the ratio of the medians.
func BenchmarkCommit(b *testing.B) {
	for _, store := range []string{LogStoreBolt, LogStoreWAL} {
		for _, from := range []string{"fep1", "fep2"} {
			b.Run(fmt.Sprintf("store=%s/from=%s", store, from), func(b *testing.B) {
				s := newStation(b, func(c *Config) { c.LogStore = store })
				s.lead("fep1")
				var took, bare []time.Duration
				for b.Loop() {
					began := time.Now()
					s.propose(from, cursor(1))
					took = append(took, time.Since(began))

					began = time.Now()
					if err := s.nodes["fep1"].raft.Apply(marshal(b, cursor(1)), patience).Error(); err != nil {
						b.Fatal(err)
					}
					bare = append(bare, time.Since(began))
				}
				report(b, took)
				slices.Sort(bare)
				b.ReportMetric(float64(took[len(took)/2])/float64(bare[len(bare)/2]), "x-raft")
			})
		}
	}
}

// BenchmarkThroughput is many commands under way at once from one follower.
func BenchmarkThroughput(b *testing.B) {
	for _, store := range []string{LogStoreBolt, LogStoreWAL} {
		b.Run("store="+store, func(b *testing.B) {
			s := newStation(b, func(c *Config) { c.LogStore = store })
			s.lead("fep1")
			const window = 4096
			var flying []replica.Proposal
			began := time.Now()
			n := 0
			for b.Loop() {
				flying = append(flying, s.nodes["fep2"].ProposeAsync(cursor(1)))
				n++
				if len(flying) == window {
					for _, p := range flying[:window/2] {
						if _, err := p.Result(); err != nil {
							b.Fatal(err)
						}
					}
					flying = flying[window/2:]
				}
			}
			for _, p := range flying {
				_, _ = p.Result()
			}
			b.ReportMetric(float64(n)/time.Since(began).Seconds(), "commands/s")
			b.ReportMetric(float64(n)/float64(s.nodes["fep2"].Metrics().EntriesProposed), "commands/entry")
		})
	}
}

func cursor(seq uint64) *fsmpb.Command {
	return &fsmpb.Command{Op: &fsmpb.Command_Cursor{Cursor: &fsmpb.Cursor{Resource: fsm.UplinkResource("occ", "occ"), Seq: seq}}}
}

// BenchmarkTakeover cuts off the node that leads and owns, and measures until the other's tenure.
func BenchmarkTakeover(b *testing.B) {
	for _, lease := range []time.Duration{500 * time.Millisecond, 300 * time.Millisecond, 250 * time.Millisecond} {
		b.Run(fmt.Sprintf("lease=%v", lease), func(b *testing.B) {
			s := newStation(b, func(c *Config) { c.Lease = lease })
			rtu := fsm.RTUResource(1)
			var took []time.Duration
			for b.Loop() {
				s.lead("fep1")
				s.move(rtu, "fep1")
				s.owned("fep1", rtu).Close()
				time.Sleep(lease + rand.N(lease/2)) // let the group come to rest; the fault comes at no special moment
				began := time.Now()
				s.fabric.isolate("fep1", s.others("fep1")...)
				s.owned("fep2", rtu).Close()
				took = append(took, time.Since(began))
				if t := took[len(took)-1]; t > 2*lease {
					b.Logf("%v: %+v", t, s.resource("fep2", rtu).Timings)
				}
				s.fabric.heal()
			}
			report(b, took)
		})
	}
}

// BenchmarkMove is a planned move of an RTU whose owner has nothing to close.
func BenchmarkMove(b *testing.B) {
	s := newStation(b, nil)
	s.lead("fep1")
	rtu := fsm.RTUResource(1)
	s.owned("fep1", rtu).Close()
	var took []time.Duration
	to, from := "fep2", "fep1"
	for b.Loop() {
		began := time.Now()
		s.move(rtu, to)
		s.owned(to, rtu).Close()
		took = append(took, time.Since(began))
		to, from = from, to
	}
	report(b, took)
}

func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(took[len(took)/2]), "p50-ms")
	b.ReportMetric(ms(took[len(took)*9/10]), "p90-ms")
	b.ReportMetric(ms(took[len(took)-1]), "max-ms")
	b.ReportMetric(0, "ns/op")
}

// lead makes a node the leader.
func (s *station) lead(id string) {
	s.t.Helper()
	until(s.t, id+" leads", func() bool {
		l := s.leader()
		if l.ID() == id {
			return true
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = l.Transfer(ctx, id)
		return false
	})
}

// move moves a resource by hand, if it isn't there.
func (s *station) move(id, to string) {
	s.t.Helper()
	until(s.t, id+" is at "+to, func() bool {
		r := s.resource(to, id)
		if r.Owner == to && r.Phase == fsm.Owned {
			return true
		}
		if r.Phase == fsm.Owned {
			s.propose(to, &fsmpb.Command{Op: &fsmpb.Command_Move{Move: &fsmpb.Move{Resource: id, ExpectEpoch: r.Epoch, To: to, Reason: "test"}}})
		}
		return false
	})
}
