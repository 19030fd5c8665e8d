package forwarder

import (
	"cmp"
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// reportPace is the least time between two lists of clients: connections that come and go in a storm are not the
// cluster's business.
const reportPace = 50 * time.Millisecond

// flight is a cursor on its way.
type flight struct {
	what   proposal
	answer replica.Proposal
}

// run keeps the replicated state in step with the group's links until ctx ends: ownership, cursor, clients. Then it
// gives up what is left; the links must be closed by then.
func (g *group) run(ctx context.Context) {
	var (
		o        owner
		flights  []flight
		reported time.Time // when the list of clients was proposed
	)
	lookIn := time.NewTimer(0)
	cursorIn := time.NewTimer(time.Hour)
	defer lookIn.Stop()
	defer cursorIn.Stop()
	for {
		var cursorDone, clientsDone <-chan struct{}
		if len(flights) > 0 {
			cursorDone = flights[0].answer.Done()
		}
		if g.report != nil {
			clientsDone = g.report.Done()
		}
		reconcile := false
		select {
		case <-ctx.Done():
			g.leave()
			return
		case <-lookIn.C:
			reconcile = true
		case <-g.kicked:
			reconcile = true
		case <-clientsDone:
			g.report, reconcile = nil, true
		case <-g.acked:
		case <-cursorIn.C:
		case <-cursorDone:
			g.landed(flights[0])
			flights = slices.Delete(flights, 0, 1)
		}
		if reconcile {
			wait := g.reconcile(ctx, &o)
			if pause := reportPace - g.now().Sub(reported); g.report == nil && pause > 0 {
				wait = min(cmp.Or(wait, pause), pause)
			} else if g.report == nil {
				g.reportClients()
				reported = g.now()
			}
			if wait > 0 {
				lookIn.Reset(wait)
			}
		}
		p, due, ok := g.cursor.next(g.now())
		if ok {
			flights = append(flights, flight{p, g.replica().ProposeAsync(g.cursorCommand(p, g.epoch()))})
		} else if !due.IsZero() {
			cursorIn.Reset(due.Sub(g.now()))
		}
	}
}

// leave gives up a group when this node stops serving it, so that the other node need not wait for the lease.
func (g *group) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), tenureTimeout)
	defer cancel()
	r, ok := g.declared()
	if ok && g.u.cfg.Mode != fsm.DualActive && r.Owner == g.replica().ID() && r.Phase == fsm.Owned {
		g.release(ctx, r, g.successor(), "node stops")
		return
	}
	if g.reportClients(); g.report != nil {
		select {
		case <-g.report.Done():
		case <-ctx.Done():
		}
	}
}

// epoch is the one in which this node's cursor moves; 0 if it has none.
func (g *group) epoch() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.live == nil {
		return g.claimed
	}
	if t := g.live.tenure.Load(); t != nil {
		return (*t).Epoch()
	}
	return g.claimed
}

func (g *group) cursorCommand(p proposal, epoch uint64) *fsmpb.Command {
	return &fsmpb.Command{Op: &fsmpb.Command_Cursor{Cursor: &fsmpb.Cursor{
		Resource: g.resource, Slot: g.slot, Seq: p.seq, Epoch: epoch,
	}}}
}

// landed takes in what became of a cursor that was proposed.
func (g *group) landed(f flight) {
	result, err := f.answer.Result()
	switch {
	case err != nil:
		g.log.Warn("cursor was not replicated", "seq", f.what.seq, "error", err)
		g.cursor.failed(g.now(), f.what)
	case result.Code == fsmpb.Result_OK, result.Code == fsmpb.Result_DUPLICATE:
		g.cursor.committed(f.what)
		g.wake()
	default: // a cursor of a past epoch: its link is closed, and the next one goes on from what is replicated
		g.log.Debug("cursor was refused", "seq", f.what.seq, "result", result.Code, "reason", result.Message)
	}
}

// wake makes the started link ask its feed again.
func (g *group) wake() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.live != nil {
		g.live.session.Wake()
	}
}

// reportClients proposes the list of this node's clients of the group, if the replicated state has another one, or may
// get another one from a list that is under way.
func (g *group) reportClients() {
	g.mu.Lock()
	var clients []*fsmpb.Clients_Client
	for _, l := range g.links {
		clients = append(clients, l.proto())
	}
	if g.waiting != "" {
		clients = append(clients, &fsmpb.Clients_Client{Address: g.waiting, Role: fsm.RoleWaiting})
	}
	g.mu.Unlock()
	slices.SortFunc(clients, func(a, b *fsmpb.Clients_Client) int { return cmp.Compare(a.Address, b.Address) })
	known := true // as long as the group is not declared
	underWay := g.report != nil && !isDone(g.report)
	g.replica().View(func(s *fsm.State) {
		if group, ok := s.Group(g.resource); ok {
			group.Clients = slices.DeleteFunc(group.Clients, func(c fsm.Client) bool { return c.Node != g.replica().ID() })
			known = slices.EqualFunc(clients, group.Clients, func(a *fsmpb.Clients_Client, b fsm.Client) bool { return proto.Equal(a, b.Proto()) })
		}
	})
	if known && !underWay {
		return
	}
	g.report = g.replica().ProposeAsync(&fsmpb.Command{Op: &fsmpb.Command_Clients{Clients: &fsmpb.Clients{
		Resource: g.resource, Node: g.replica().ID(), Clients: clients,
	}}})
}

func isDone(p replica.Proposal) bool {
	select {
	case <-p.Done():
		return true
	default:
		return false
	}
}
