package access

import (
	"context"
	"net/http"
	"sync"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// maxRefusals is how many parties' refusals are counted apart until the group is told of them.
const maxRefusals = 64

// refusals are the requests that were refused and don't stand in the audit yet. They are told in bulk: whoever asks in a loop for
// what he may not have costs one entry each so often.
type refusals struct {
	mu sync.Mutex
	by map[refusalKey]*fsmpb.Audit
}

type refusalKey struct{ action, origin string }

// add counts one. Who isn't known is told by his address.
func (f *refusals) add(r *http.Request, c caller, reason error) {
	k := refusalKey{"api request", "api:" + c.name}
	if r.URL.Path == LoginPath {
		k.action = "login"
	}
	if c.name == "" {
		k.origin = "api:" + hostOf(r.RemoteAddr)
	}
	f.count(k, &fsmpb.Audit{Count: 1, Resource: r.Pattern, Reason: reason.Error()})
}

// count counts more of a kind; too many parties are counted as one.
func (f *refusals) count(k refusalKey, more *fsmpb.Audit) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.by == nil {
		f.by = map[refusalKey]*fsmpb.Audit{}
	}
	if f.by[k] == nil && len(f.by) >= maxRefusals {
		k.origin = "others"
	}
	a := f.by[k]
	if a == nil {
		a = &fsmpb.Audit{Action: k.action, Origin: k.origin}
		f.by[k] = a
	}
	a.Count += more.Count
	a.Resource, a.Reason = more.Resource, more.Reason
}

// tellOnce has what was counted stand in the audit. What can't be committed is counted on.
func (f *refusals) tellOnce(ctx context.Context, node replica.Member) {
	f.mu.Lock()
	pending := f.by
	f.by = nil
	f.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, useInterval)
	defer cancel()
	for k, a := range pending {
		told := false
		if node.Info().Quorum {
			_, err := node.Propose(ctx, &fsmpb.Command{Op: &fsmpb.Command_Audit{Audit: a}})
			told = err == nil
		}
		if !told {
			f.count(k, a)
		}
	}
}
