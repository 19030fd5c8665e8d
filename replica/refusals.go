package replica

import (
	"context"
	"sync"
	"time"

	"github.com/fepha/fepha/fsm/fsmpb"
)

const (
	firstRefusal  = 100 * time.Millisecond // from the first refusal on until the state is told
	refusalsEvery = 10 * time.Second       // between two times that it is told
	maxRefusals   = 256                    // parties; those beyond are counted as one
)

// Refusals counts what this node refuses by itself, and tells the state's audit in bulk: whoever asks in a loop for what he
// may not have costs one entry of the log now and then, however fast he is.
type Refusals struct {
	replica Replica
	some    chan struct{} // 1 long: there is something to tell

	mu  sync.Mutex
	all map[refusalKey]*fsmpb.Audit
}

type refusalKey struct{ action, origin string }

// NewRefusals makes a Refusals; [Refusals.Run] must run for them to be told.
func NewRefusals(r Replica) *Refusals {
	return &Refusals{replica: r, some: make(chan struct{}, 1), all: map[refusalKey]*fsmpb.Audit{}}
}

// Add counts a request that was refused: what was asked for, such as login or control; by whom; about what; and why.
func (r *Refusals) Add(action, origin, resource, reason string) {
	r.add(&fsmpb.Audit{Action: action, Origin: origin, Resource: resource, Reason: reason, Count: 1})
}

func (r *Refusals) add(a *fsmpb.Audit) {
	defer func() {
		select {
		case r.some <- struct{}{}:
		default:
		}
	}()
	r.mu.Lock()
	defer r.mu.Unlock()
	k := refusalKey{a.Action, a.Origin}
	if r.all[k] == nil && len(r.all) >= maxRefusals {
		k.origin = "others"
		a.Origin = k.origin
	}
	if known := r.all[k]; known != nil {
		a.Count += known.Count
	}
	r.all[k] = a
}

// Run tells what was counted until ctx ends.
func (r *Refusals) Run(ctx context.Context) {
	for wait := firstRefusal; ; wait = refusalsEvery {
		select {
		case <-r.some:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		r.tell(ctx)
	}
}

// tell proposes what was counted. What can't be told now is told later.
func (r *Refusals) tell(ctx context.Context) {
	r.mu.Lock()
	all := r.all
	r.all = map[refusalKey]*fsmpb.Audit{}
	r.mu.Unlock()
	var answers []Proposal
	var told []*fsmpb.Audit
	for _, a := range all {
		told = append(told, a)
		answers = append(answers, r.replica.ProposeAsync(&fsmpb.Command{Op: &fsmpb.Command_Audit{Audit: a}}))
	}
	for i, p := range answers {
		select {
		case <-p.Done():
			if _, err := p.Result(); err != nil {
				r.add(told[i])
			}
		case <-ctx.Done():
			return
		}
	}
}
