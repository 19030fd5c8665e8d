package access

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// How old the known use of a session or token must be before another is told to the group: it's for people to see, and for a session
// to end half an hour after the last one.
const (
	sessionUseMs = 60_000
	tokenUseMs   = 600_000
	useInterval  = 15 * time.Second
)

// uses are those of sessions and tokens on this node.
type uses struct {
	mu      sync.Mutex
	newest  map[[sha256.Size]byte]int64 // ms since 1970-01-01 UTC
	pending map[[sha256.Size]byte]bool  // to be told
}

// last is when something was used, as far as the group or this node knows.
func (u *uses) last(id [sha256.Size]byte, known int64) int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return max(known, u.newest[id])
}

// mark notes a use of what the group knows to have been used then.
func (u *uses) mark(id [sha256.Size]byte, known, now, coarse int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.newest == nil {
		u.newest, u.pending = map[[sha256.Size]byte]int64{}, map[[sha256.Size]byte]bool{}
	}
	u.newest[id] = max(u.newest[id], now)
	if now-known >= coarse {
		u.pending[id] = true
	}
}

// tellOnce proposes what is pending; what isn't committed stays so. What the state doesn't know any more is forgotten.
func (u *uses) tellOnce(ctx context.Context, node replica.Member) {
	op := &fsmpb.AccessUsed{}
	node.View(func(s *fsm.State) {
		u.mu.Lock()
		defer u.mu.Unlock()
		for id, at := range u.newest {
			_, _, session := s.Access().Session(id)
			_, token := s.Access().Token(id)
			if !session && !token {
				delete(u.newest, id)
				delete(u.pending, id)
			} else if u.pending[id] {
				op.Uses = append(op.Uses, &fsmpb.AccessUsed_Use{Id: id[:], AtMs: at})
			}
		}
	})
	if len(op.Uses) == 0 || !node.Info().Quorum {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, useInterval)
	defer cancel()
	if _, err := node.Propose(ctx, &fsmpb.Command{Op: &fsmpb.Command_AccessUsed{AccessUsed: op}}); err != nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, use := range op.Uses {
		delete(u.pending, [sha256.Size]byte(use.Id))
	}
}
