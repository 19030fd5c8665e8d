package forwarder

// Findings: what a client does that keeps the station from serving it, as conditions.

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
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

// handle answers what a client asks, and reports one that asks for another station: its operators see a link that is up, and
// nothing on it.
func (g *group) handle(s *iec104.Session, a asdu.ASDU, index uint64) {
	switch want := g.u.cfg.stations(); {
	case slices.Contains(want, a.CommonAddress):
		g.u.conditions.Clear(condition.ClientCommonAddress, g.resource)
	case a.CommonAddress == asdu.BroadcastAddress:
	default:
		g.u.conditions.Set(condition.Report{
			Kind: condition.ClientCommonAddress, Resource: g.resource, Count: g.strangers.Add(1),
			Values: condition.Values(s.RemoteAddr(), a.CommonAddress, strings.Trim(fmt.Sprint(want), "[]")),
		})
	}
	g.u.station.Handle(s, a, index)
}

// judgeEnd reports a client whose link was closed by t1 although it was there for longer than a good t2 after the frame.
func (g *group) judgeEnd(err error, silent time.Duration, client netip.AddrPort) {
	t1, t2 := g.u.config.T1, g.u.config.T2
	if !errors.Is(err, iec104.ErrNotAcknowledged) || silent >= t1-t2 {
		return
	}
	g.u.conditions.Set(condition.Report{
		Kind: condition.ClientTimer, Resource: g.resource, Count: g.unacknowledged.Add(1),
		Values: condition.Values(t1.Seconds(), client, condition.LargeT2),
	})
}
