package acquisition

import (
	"slices"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

const (
	// offlineAfter is how long an RTU is on no channel of any FEP before its points turn not topical (DESIGN, section 7).
	offlineAfter = 3 * time.Second

	// readyAfter is how long after its start an RTU counts as on line even if its interrogation hasn't ended.
	readyAfter = 3 * time.Second

	// controlsWait is how long controls wait for a link to be started, before they're refused because there is none.
	controlsWait = 2 * time.Second

	// reportAgain is how long the state may differ from what was reported before it's reported again.
	reportAgain = time.Second
)

// seen is what the replicated state says of the RTUs that share the links.
type seen struct {
	links     []fsm.Link // of this node, without those that are down
	peers     []fsm.Link // of the other nodes, those that are active
	peerEpoch uint64     // epoch in which another node owns the RTU and is alive; 0: none does
	peerGood  bool       // the device is known to be reachable from another node
	doubt     bool       // another node owns the RTU, and is asking whether its links are alive
	online    []bool     // by place of the sector
	outages   uint64     // of the station, so far
	controls  uint64     // revision of the newest control that was submitted for any of them
}

func (s *seen) equal(o *seen) bool {
	return s.peerEpoch == o.peerEpoch && s.peerGood == o.peerGood && s.doubt == o.doubt && s.outages == o.outages && s.controls == o.controls && slices.Equal(s.online, o.online) && slices.Equal(s.links, o.links) && slices.Equal(s.peers, o.peers)
}

// reports is what the loop has told the state, and when it'll look again.
type reports struct {
	links     []fsm.Link       // as proposed last
	proposal  replica.Proposal // under way
	told      bool             // at least once
	again     time.Duration    // not again what was told, before
	pause     time.Duration    // nothing at all before
	offSince  time.Duration    // since when there is no active link on any node
	off       bool
	peers     []fsm.Link // active links of other nodes when it looked last
	peerEpoch uint64     // seen.peerEpoch then
	doubt     bool       // seen.doubt then
	outages   uint64     // seen.outages then
	next      time.Duration
	due       bool
}

// done is closed when the proposal under way has ended.
func (r *reports) done() <-chan struct{} {
	if r.proposal == nil {
		return nil
	}
	return r.proposal.Done()
}

// deadline is when report has something to say even if nothing happens.
func (r *reports) deadline() (time.Duration, bool) { return r.next, r.due }

// later makes deadline no later than at.
func (r *reports) later(at time.Duration) {
	if !r.due || at < r.next {
		r.next, r.due = at, true
	}
}

// report tells the replicated state what it doesn't know yet.
func (w *worker) report() {
	now, r := w.now(), &w.reports
	r.due = false
	s := w.seen.Load()
	w.reportLinks(now, s)
	if s == nil {
		return // nothing is known yet of what the state says
	}
	w.watchPeers(now, s)
	w.leaveSilent(s)
	if s.outages != r.outages {
		r.outages = s.outages
		w.collector.askAgain()
	}
	if n := w.seq.takeQuieted(); n > 0 {
		w.faults.note(disturbing, uint64(n), "%d links, for %v", n, quiet)
	}
	active := len(s.peers) > 0 || w.collector != nil && len(w.collector.started) > 0
	if active == r.off {
		r.off, r.offSince = !active, now
	}
	if w.collector != nil {
		for _, p := range w.collector.parts {
			w.reportOnline(now, p, s.online[p.place])
		}
	}
}

// reportLinks proposes the states of the links when they have changed, or when the state has forgotten them: it does,
// for one, when this node was taken for dead.
func (w *worker) reportLinks(now time.Duration, s *seen) {
	r := &w.reports
	links := w.links(now)
	differs := s != nil && !slices.Equal(links, s.links)
	switch {
	case r.proposal != nil:
		return
	case now < r.pause:
		r.later(r.pause)
		return
	case !r.told || !slices.Equal(links, r.links):
	case !differs:
		return
	case now < r.again:
		r.later(r.again)
		return
	}
	list := make([]*fsmpb.Links_Link, len(links))
	for i, l := range links {
		list[i] = &fsmpb.Links_Link{Channel: l.Channel, Link: l.Link, State: fsmpb.LinkState(l.State), Doubted: l.Doubted}
	}
	r.links, r.told = links, true
	r.proposal = w.env.Replica.ProposeAsync(&fsmpb.Command{Op: &fsmpb.Command_Links{Links: &fsmpb.Links{
		Rtu: w.rtu.Number, Node: w.env.Replica.ID(), Links: list,
	}}})
}

// reported takes note that the report is committed.
func (w *worker) reported() {
	r := &w.reports
	result, err := r.proposal.Result()
	r.proposal, r.again = nil, w.now()+reportAgain
	if err != nil {
		r.told, r.pause = false, r.again
		return
	}
	select {
	case w.marked <- result.Index:
	default:
	}
}

// links are the states of the links, without those that are down.
func (w *worker) links(now time.Duration) []fsm.Link {
	var links []fsm.Link
	for c, states := range w.seq.links {
		for l := range states {
			if state := w.seq.state(now, linkKey{c, l}); state != fsmpb.LinkState_DOWN {
				links = append(links, fsm.Link{Channel: uint32(c + 1), Link: uint32(l + 1), State: fsm.LinkState(state), Doubted: states[l].doubted})
			}
		}
	}
	return links
}

// watchPeers notices when another node has lost its active link: perhaps because this one has probed the device. A node
// that has died or given the RTU up has lost it for that reason, and one whose link was silent before for that one.
func (w *worker) watchPeers(now time.Duration, s *seen) {
	r := &w.reports
	lost := slices.ContainsFunc(r.peers, func(l fsm.Link) bool { return !slices.Contains(s.peers, l) })
	w.seq.peer(now, len(s.peers) > 0, lost && !r.doubt && w.collector == nil && s.peerEpoch != 0 && s.peerEpoch == r.peerEpoch)
	r.peers, r.peerEpoch = s.peers, s.peerEpoch
	if s.doubt && !r.doubt {
		w.examine(now)
	}
	r.doubt = s.doubt
}

// reportOnline proposes whether an RTU is on line: off when no node has had an active link for a while, on when a device
// has answered what it was asked after the start.
func (w *worker) reportOnline(now time.Duration, p *part, told bool) {
	r, t := &w.reports, w.collector
	var online bool
	switch {
	case told && r.off:
		if now < r.offSince+offlineAfter {
			r.later(r.offSince + offlineAfter)
			return
		}
	case !told && len(t.started) > 0:
		online = true
		if at := t.startedAt + readyAfter; !p.ready && now < at {
			r.later(at)
			return
		}
	default:
		return
	}
	if p.onlineTold != 0 && now < p.onlineTold+reportAgain {
		r.later(p.onlineTold + reportAgain)
		return
	}
	p.onlineTold = now
	w.env.Replica.ProposeAsync(&fsmpb.Command{Op: &fsmpb.Command_Online{Online: &fsmpb.Online{
		Rtu: p.rtu.Number, Epoch: t.tenure.Epoch(), Online: online,
	}}})
}

// activated proposes the timings of a takeover, once its first values are committed.
func (w *worker) activated(first time.Duration) {
	t := w.collector
	r, _ := w.owned()
	since := func(at time.Duration) int64 { return max(1, r.Timings.LeasedMs+(at-t.beganAt).Milliseconds()) }
	w.env.Replica.ProposeAsync(&fsmpb.Command{Op: &fsmpb.Command_Activated{Activated: &fsmpb.Activated{
		Resource: w.resource(), Epoch: t.tenure.Epoch(), ConnectedMs: since(t.startedAt), FirstDataMs: since(first),
	}}})
}
