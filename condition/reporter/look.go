package reporter

import (
	"time"

	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/fsm"
)

// looked is what one look at the state showed.
type looked struct {
	mine    map[string]fsm.ConditionReport // this node's own reports, by id
	reports []reported                     // of this node, and those of others that it may take back
	epochs  map[string]uint64              // of resources that this node owns
	leads   bool
}

// reported is a report in the state.
type reported struct {
	id, kind, resource, node string
	scope                    fsm.Scope
}

// look reads what matters here. It must not be called with the lock held: those who hold it may wait for a View to end.
func (r *Reporter) look(now time.Time, keys []key) looked {
	self := r.cfg.Replica.ID()
	l := looked{mine: map[string]fsm.ConditionReport{}, epochs: map[string]uint64{}, leads: r.cfg.Leads()}
	r.cfg.Replica.View(func(s *fsm.State) {
		owned := func(resource string) bool {
			res, ok := s.Resource(resource)
			if ok = ok && res.Owner == self; ok {
				l.epochs[resource] = res.Epoch
			}
			return ok
		}
		for _, k := range keys {
			if k.kind.Scope == condition.Owner {
				owned(k.resource)
			}
		}
		for _, c := range s.Conditions() {
			for _, rep := range c.Reports {
				if rep.Node == self {
					l.mine[c.ID] = rep
				} else if rep.Scope == fsm.ScopeNode || rep.Scope == fsm.ScopeOwner && !owned(c.Resource) || rep.Scope == fsm.ScopeLeader && !l.leads {
					continue
				}
				l.reports = append(l.reports, reported{c.ID, c.Kind, c.Resource, rep.Node, rep.Scope})
			}
		}
	})
	for resource, epoch := range l.epochs {
		if r.owned[resource].epoch != epoch {
			r.owned[resource] = ownership{epoch, now}
		}
	}
	for resource := range r.owned {
		if _, still := l.epochs[resource]; !still {
			delete(r.owned, resource)
		}
	}
	if !l.leads {
		r.leads = time.Time{}
	} else if r.leads.IsZero() {
		r.leads = now
	}
	return l
}

// mayReport tells whether this node's word counts.
func (l *looked) mayReport(k key) bool {
	switch k.kind.Scope {
	case condition.Owner:
		return l.epochs[k.resource] != 0
	case condition.Leader:
		return l.leads
	}
	return true
}

// outlived tells whether a report should be in the state no more. One that a part has cleared should not; one that no part
// has spoken of may have been made by a former run, owner or leader, and goes when this one has had the time to look.
func (r *Reporter) outlived(now time.Time, old reported, l looked) bool {
	since := r.start
	switch old.scope {
	case fsm.ScopeOwner:
		since = r.owned[old.resource].since
		if l.epochs[old.resource] == 0 {
			return false // the new owner takes it back, or over
		}
	case fsm.ScopeLeader:
		if since = r.leads; !l.leads {
			return false
		}
	}
	kind, known := condition.Find(old.kind)
	if !known {
		return now.Sub(since) >= settle
	}
	e := r.entries[key{kind, old.resource}]
	if e == nil || !e.ever && e.cleared.Before(since) {
		return now.Sub(since) >= settle
	}
	return !e.desired(now)
}
