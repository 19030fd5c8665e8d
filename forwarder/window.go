package forwarder

import (
	"context"
	"net/netip"
	"time"

	"github.com/fepha/fepha/condition"
)

const (
	// windowPeriod is how often the live link's window is looked at.
	windowPeriod = time.Second

	// windowPatience is for how long a window may stay closed. A client acknowledges after w I-frames, or t2 (10 s) after the
	// first one: only one whose w is larger than our k lets us wait for t2.
	windowPatience = 5 * time.Second
)

// watchWindow reports a client that keeps the window closed, until ctx ends.
func (g *group) watchWindow(ctx context.Context) {
	tick := time.NewTicker(windowPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		g.mu.Lock()
		l := g.live
		g.mu.Unlock()
		if l != nil {
			g.judgeWindow(l.session.WindowClosed(), l.session.RemoteAddr())
		}
	}
}

func (g *group) judgeWindow(closed time.Duration, client netip.AddrPort) {
	if closed < windowPatience {
		return
	}
	g.u.conditions.Set(condition.Report{
		Kind: condition.ClientWindow, Resource: g.resource,
		Values: condition.Values(g.u.config.K, int(closed/time.Second), client, condition.LargeW),
	})
}
