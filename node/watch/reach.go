package watch

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/replica"
)

const (
	reachPeriod  = 10 * time.Second
	reachTimeout = 3 * time.Second
	reachMisses  = 3 // in a row, before it is reported
)

// Reach tries the way to each other node, which the group doesn't use: followers talk to the leader alone. A cut between two
// of them shows only when one of them is to lead.
type Reach struct {
	Node      interface{ Info() replica.Info }
	Addresses map[string]string // of the other nodes' APIs, by id
	Reporter  condition.Reporter
	Dial      func(ctx context.Context, network, address string) (net.Conn, error) // nil: TCP

	misses map[string]int
	seen   atomic.Pointer[map[string]bool] // which nodes took a connection, the last time
}

// Run tries until ctx ends.
func (r *Reach) Run(ctx context.Context) error {
	tick := time.NewTicker(reachPeriod)
	defer tick.Stop()
	for {
		r.round(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (r *Reach) round(ctx context.Context) {
	reached := r.try(ctx)
	if ctx.Err() != nil {
		return
	}
	r.seen.Store(&reached)
	if r.misses == nil {
		r.misses = map[string]int{}
	}
	info := r.Node.Info()
	for _, p := range info.Peers {
		ok, tried := reached[p.ID]
		switch {
		case !tried:
			continue
		case ok, !p.Alive, !info.Quorum: // a node that nobody reaches is dead, and that is told
			r.misses[p.ID] = 0
		default:
			r.misses[p.ID]++
		}
		about := "node/" + p.ID
		if r.misses[p.ID] < reachMisses {
			r.Reporter.Clear(condition.Unreachable, about)
			continue
		}
		r.Reporter.Set(condition.Report{Kind: condition.Unreachable, Resource: about, Values: condition.Values(info.ID)})
	}
}

// try tells which nodes take a connection.
func (r *Reach) try(ctx context.Context) map[string]bool {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	dial := r.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	reached := map[string]bool{}
	for id, address := range r.Addresses {
		wg.Go(func() {
			c, err := dial(ctx, "tcp", address)
			if err == nil {
				c.Close()
			}
			mu.Lock()
			defer mu.Unlock()
			reached[id] = err == nil
		})
	}
	wg.Wait()
	return reached
}
