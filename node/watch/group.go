// Package watch looks for what is wrong and belongs to no part of a node: how the group, the RTUs and the uplinks are, which
// the leader judges from the replicated state, and how the machine is that a node runs on.
package watch

import (
	"context"
	"sync"
	"time"

	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/replica"
)

const (
	// groupPeriod is how often the group is judged.
	groupPeriod = time.Second

	// patience is for how long something has to be so before it is reported: a planned move, or a takeover, passes through all
	// of these states.
	patience = 3 * time.Second
)

// Station is what a judgement needs of the node.
type Station interface {
	Info() replica.Info
	IsLeader() bool
	View(read func(s *fsm.State))
}

// Group judges how the group is. Each node has one; the leader's speaks.
type Group struct {
	Node     Station
	Config   func() *configs.Station   // in force
	Tables   func() []condition.Report // what is wrong with its tables: see [Unforwarded]
	Build    string                    // this node's version
	Reporter condition.Reporter

	mu     sync.Mutex
	leader string    // that a quorum follows; empty: none
	led    time.Time // since when

	since map[string]time.Time // by id: since when something has been seen to be so
	set   map[string]condition.Report
}

// Run judges until ctx ends.
func (g *Group) Run(ctx context.Context) error {
	tick := time.NewTicker(groupPeriod)
	defer tick.Stop()
	for {
		g.round(time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Settled tells whether there has been a leader for long enough that what it would find is in the state. Before, that nothing
// is reported means nothing.
func (g *Group) Settled() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.leader != "" && time.Since(g.led) >= patience+3*groupPeriod
}

func (g *Group) round(now time.Time) {
	info := g.Node.Info()
	g.watchLeader(now, info)
	var found []condition.Report
	var reported []fsm.Condition
	leads := g.Node.IsLeader() && info.Quorum
	if leads {
		g.Node.View(func(s *fsm.State) {
			found = append(judge(info, s, g.Config(), g.Build), g.Tables()...)
			reported = s.Conditions()
		})
	}
	switch {
	case info.Outside:
		found = append(found, condition.Report{Kind: condition.Unadded, Resource: "node/" + info.ID})
	case !info.Quorum:
		found = append(found, condition.Report{Kind: condition.QuorumLost, Resource: station})
	}
	g.tell(now, found, reported, leads)
}

func (g *Group) watchLeader(now time.Time, info replica.Info) {
	leader := info.Leader
	if !info.Quorum {
		leader = ""
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if leader != g.leader {
		g.leader, g.led = leader, now
	}
}

// tell reports what has been so for long enough, and takes back what isn't so: what this one has reported, and what a
// former leader has.
func (g *Group) tell(now time.Time, found []condition.Report, reported []fsm.Condition, leads bool) {
	seen, set := map[string]time.Time{}, map[string]condition.Report{}
	for _, r := range found {
		id := r.ID()
		since, ok := g.since[id]
		if !ok {
			since = now
		}
		seen[id] = since
		if now.Sub(since) >= patience || r.Kind == condition.NodeDead { // the group has been patient with a node already
			g.Reporter.Set(r)
			set[id] = r
		}
	}
	for id, r := range g.set {
		if _, still := seen[id]; !still && (leads || r.Kind.Scope == condition.Local) {
			g.Reporter.Clear(r.Kind, r.Resource)
		}
	}
	for _, c := range reported {
		if _, still := seen[c.ID]; still {
			continue
		}
		if k, ok := condition.Find(c.Kind); ok && k.Scope == condition.Leader {
			g.Reporter.Clear(k, c.Resource)
		}
	}
	g.since, g.set = seen, set
}
