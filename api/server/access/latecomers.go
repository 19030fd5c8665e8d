package access

import (
	"context"
	"net/http"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/replica"
)

const (
	// latePatience is how long a token or session that this node doesn't know may come late: it is committed, and told to whoever
	// made it, some ms before all nodes have applied it.
	latePatience = 250 * time.Millisecond

	// maxLatecomers wait at once; who knows no token can't have more held up than these.
	maxLatecomers = 8

	latePace = 5 * time.Millisecond // between two looks at a state that grows
)

// latecomers are the requests that wait.
type latecomers struct {
	turns    chan struct{} // holds something for each
	patience time.Duration
}

// wait waits for the token or session of a request, and tells whether it has come. One that this node knows, such as one that
// has ended, isn't waited for.
func (l latecomers) wait(r *http.Request, g *Guard) bool {
	if !g.strange(r) {
		return false
	}
	select {
	case l.turns <- struct{}{}:
		defer func() { <-l.turns }()
	default:
		return false
	}
	ctx, cancel := context.WithTimeout(r.Context(), l.patience)
	defer cancel()
	for range replica.Follow(ctx, g.node, replica.Pace{Least: latePace}) {
		if !g.strange(r) {
			return true
		}
	}
	return false
}

// strange tells whether a request bears a token or a session, and this node's state has neither.
func (g *Guard) strange(r *http.Request) bool {
	token, hasToken := bearer(r)
	session, hasSession := sessionOf(r)
	known := false
	g.node.View(func(s *fsm.State) {
		if hasToken {
			_, known = s.Access().Token(token)
		}
		if hasSession && !known {
			_, _, known = s.Access().Session(session)
		}
	})
	return (hasToken || hasSession) && !known
}
