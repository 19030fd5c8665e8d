// Package reporter brings a node's own conditions into the replicated state, and takes them back there.
//
// The parts of a node say what holds and what doesn't ([condition.Reporter]); one goroutine compares that with what the
// state has of this node and proposes the difference. So a report that a lost leader swallowed is proposed again, what a
// former run of the process left behind goes away, and a part may repeat itself at will.
package reporter

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

const (
	// period is how often the two sides are compared, and so how late a report may be; urgently is how soon after a part
	// said something new. Between two rounds there is always that much, however much the parts say.
	period   = time.Second
	urgently = 200 * time.Millisecond

	// atOnce bounds what one round proposes.
	atOnce = 64

	// refresh is how often values and counts of a condition that is there already are proposed anew.
	refresh = 30 * time.Second

	// linger is how long a condition that was cleared is kept in case that it comes back. It doubles with each time that it
	// did, up to maxLinger, and starts over after calm. So one that flaps costs the journal a few events an hour.
	linger    = 5 * time.Second
	maxLinger = 10 * time.Minute
	calm      = 20 * time.Minute

	// settle is how long a node that has just started, or just become owner or leader, looks for itself before it takes back
	// what was reported before it and what it doesn't see.
	settle = 2 * time.Minute
)

// Config is what a Reporter works with.
type Config struct {
	Replica replica.Replica
	Leads   func() bool  // whether this node leads
	Log     *slog.Logger // nil: silent
}

// A Reporter is a [condition.Reporter]. Run does the work.
type Reporter struct {
	cfg   Config
	start time.Time
	wake  chan struct{} // 1 long

	mu      sync.Mutex
	entries map[key]*entry

	// Of Run's goroutine.
	underWay map[string]proposal  // by id: what was proposed and may not be in the state yet
	owned    map[string]ownership // since when this node has owned resources that conditions are about
	leads    time.Time            // since when it leads; zero: it doesn't
}

type key struct {
	kind     *condition.Kind
	resource string
}

func (k key) id() string { return k.kind.ID(k.resource) }

// entry is what a part said of one condition.
type entry struct {
	report  condition.Report
	holds   bool
	ever    bool      // it was set, not just cleared
	since   time.Time // since when it holds
	seen    time.Time // when it was set last
	cleared time.Time // since when it doesn't hold
	linger  time.Duration
	told    time.Time // when it was proposed last
}

type proposal struct {
	replica.Proposal
	index uint64 // of its entry, once it is known: until that is applied the state doesn't show it
}

type ownership struct {
	epoch uint64
	since time.Time
}

// New makes a Reporter.
func New(cfg Config) *Reporter {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Reporter{
		cfg: cfg, start: time.Now(), wake: make(chan struct{}, 1),
		entries: map[key]*entry{}, underWay: map[string]proposal{}, owned: map[string]ownership{},
	}
}

// Set implements [condition.Reporter].
func (r *Reporter) Set(report condition.Report) {
	if report.Severity == 0 {
		report.Severity = report.Kind.Severity
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	k := key{report.Kind, report.Resource}
	e := r.entries[k]
	if e == nil {
		e = &entry{linger: linger}
		r.entries[k] = e
	}
	e.report, e.seen = report, now
	if e.holds {
		return
	}
	if e.ever {
		e.linger = min(2*e.linger, maxLinger)
	}
	e.holds, e.ever, e.since = true, true, now
	r.rouse()
}

// Clear implements [condition.Reporter].
func (r *Reporter) Clear(kind *condition.Kind, resource string) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	k := key{kind, resource}
	switch e := r.entries[k]; {
	case e == nil:
		r.entries[k] = &entry{cleared: now, linger: linger}
		r.rouse()
	case e.holds:
		e.holds, e.cleared = false, now
	case !e.ever:
		e.cleared = now
	}
}

func (r *Reporter) rouse() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Holding returns what holds on this node, by id, whether the others have been told or not.
func (r *Reporter) Holding() []condition.Holding {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []condition.Holding
	for _, e := range r.entries {
		if e.holds {
			all = append(all, condition.Holding{Report: e.report, Since: e.since})
		}
	}
	slices.SortFunc(all, func(a, b condition.Holding) int { return strings.Compare(a.ID(), b.ID()) })
	return all
}

// Run compares and proposes until ctx ends.
func (r *Reporter) Run(ctx context.Context) error {
	timer := time.NewTimer(period)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-r.wake:
			timer.Reset(urgently)
			select {
			case <-ctx.Done():
				return nil
			case <-timer.C:
			}
		}
		r.round(time.Now())
		timer.Reset(period)
	}
}

// round proposes what the state doesn't have, and what it shouldn't have any more.
func (r *Reporter) round(now time.Time) {
	r.settleProposals()
	keys := r.prune(now)
	state := r.look(now, keys)
	r.mu.Lock()
	defer r.mu.Unlock()
	left := atOnce
	propose := func(id string, c *fsmpb.Command) bool {
		if _, waits := r.underWay[id]; waits || left == 0 {
			return false
		}
		left--
		r.underWay[id] = proposal{Proposal: r.cfg.Replica.ProposeAsync(c)}
		return true
	}
	for _, k := range keys {
		e := r.entries[k]
		switch {
		case e == nil || k.kind.Scope == condition.Local:
			continue
		case !state.mayReport(k):
			if e.seen.Before(now) && e.cleared.Before(now) {
				delete(r.entries, k) // another one has the word now, and this node has to look anew if it gets it back
			}
			continue
		case !e.desired(now):
			continue
		}
		mine, there := state.mine[k.id()]
		want := e.proto(state.epochs[k.resource])
		news := !there || mine.Severity != fsm.Severity(want.Severity) || mine.Epoch != want.Epoch
		if news || differs(mine, want) && now.Sub(e.told) >= refresh {
			if propose(k.id(), &fsmpb.Command{Op: &fsmpb.Command_ConditionReport{ConditionReport: want}}) {
				e.told = now
				if !there {
					r.logCame(e)
				}
			}
		}
	}
	for _, old := range state.reports {
		if r.outlived(now, old, state) {
			propose(old.id, &fsmpb.Command{Op: &fsmpb.Command_ConditionGone{ConditionGone: &fsmpb.ConditionGone{Id: old.id, Node: old.node}}})
		}
	}
}

func (r *Reporter) logCame(e *entry) {
	text, advice := condition.Say(e.report.Kind.Name, e.report.Values, e.report.Count)
	r.cfg.Log.Warn("condition: "+text.EN, "id", e.report.ID(), "severity", e.report.Severity, "advice", advice.EN)
}

// settleProposals forgets the proposals that have ended, and that the state shows.
func (r *Reporter) settleProposals() {
	applied, _ := r.cfg.Replica.Applied()
	for id, p := range r.underWay {
		select {
		case <-p.Done():
		default:
			continue
		}
		if p.index == 0 {
			result, err := p.Result()
			if err != nil || result.Code > fsmpb.Result_DUPLICATE {
				r.cfg.Log.Debug("condition was not taken", "id", id, "result", result.Result, "error", err)
				delete(r.underWay, id) // what is still so is proposed again
				continue
			}
			p.index = result.Index
			r.underWay[id] = p
		}
		if applied >= p.index {
			delete(r.underWay, id)
		}
	}
}

// prune ends what was seen too long ago, forgets what has been calm for long, and returns the keys of the rest.
func (r *Reporter) prune(now time.Time) []key {
	r.mu.Lock()
	defer r.mu.Unlock()
	keys := make([]key, 0, len(r.entries))
	for k, e := range r.entries {
		if h := k.kind.Hold; e.holds && h > 0 && now.Sub(e.seen) >= h {
			e.holds, e.cleared = false, now
		}
		if !e.holds && now.Sub(e.cleared) >= calm {
			delete(r.entries, k)
			continue
		}
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int { return strings.Compare(a.id(), b.id()) })
	return keys
}

// desired tells whether the state should have it: while it holds, and a while longer.
func (e *entry) desired(now time.Time) bool {
	return e.holds || e.ever && now.Sub(e.cleared) < e.linger
}

func (e *entry) proto(epoch uint64) *fsmpb.ConditionReport {
	k := e.report.Kind
	p := &fsmpb.ConditionReport{
		Kind: k.Name, Resource: e.report.Resource, Severity: fsmpb.ConditionReport_Severity(e.report.Severity),
		Scope: fsmpb.ConditionReport_Scope(k.Scope), Values: e.report.Values, Count: e.report.Count,
	}
	if k.Scope == condition.Owner {
		p.Epoch = epoch
	}
	return p
}

func differs(there fsm.ConditionReport, want *fsmpb.ConditionReport) bool {
	return there.Count != want.Count || !slices.Equal(there.Values, want.Values)
}
