package acquisition

import (
	"context"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/replica"
)

// watchPause is how often the watch looks at most: the state may change thousands of times a second.
const watchPause = time.Millisecond

// watch tells each worker what the replicated state says of its RTU, as it changes, until ctx ends.
func (m *Manager) watch(ctx context.Context) {
	var last fsm.Revisions
	for range replica.Follow(ctx, m.env.Replica, replica.Pace{Least: watchPause}) {
		m.tellWorkers(&last)
	}
}

// tellWorkers tells them what has changed since the revisions in last.
func (m *Manager) tellWorkers(last *fsm.Revisions) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.env.Replica.View(func(s *fsm.State) {
		now := s.Revisions()
		asked := map[uint32]uint64{}
		if now.Controls != last.Controls {
			for _, c := range s.ControlsAfter(last.Controls) {
				if c.Stage == fsm.Submitted {
					asked[c.RTU] = c.Revision
				}
			}
		}
		all := now.Links != last.Links || now.Resources != last.Resources || now.Nodes != last.Nodes || now.Online != last.Online || now.Outages != last.Outages || now.Config != last.Config
		for _, w := range m.workers {
			var newest uint64
			for _, sector := range w.sectors {
				newest = max(newest, asked[sector.rtu.Number])
			}
			if all || newest != 0 || w.seen.Load() == nil {
				w.see(s, newest)
			}
		}
		*last = now
	})
}

// see takes down what the state says of the RTUs. controls is the revision of the newest control submitted, 0 if no new
// one was.
func (w *worker) see(s *fsm.State, controls uint64) {
	before := w.seen.Load()
	now := &seen{links: s.Links(w.rtu.Number, w.env.Replica.ID()), outages: s.Revisions().Outages, controls: controls}
	r, _ := s.Resource(fsm.RTUResource(w.rtu.Number))
	for _, n := range s.Nodes() {
		if n.ID == w.env.Replica.ID() {
			continue
		}
		if n.Alive && n.ID == r.Owner && r.Phase == fsm.Owned {
			now.peerEpoch = r.Epoch
		}
		for _, l := range s.Links(w.rtu.Number, n.ID) {
			now.peerGood = now.peerGood || l.Good()
			now.doubt = now.doubt || l.State == fsm.LinkActive && l.Doubted && n.ID == r.Owner
			if l.State == fsm.LinkActive {
				l.Doubted = false
				now.peers = append(now.peers, l)
			}
		}
	}
	for _, sector := range w.sectors {
		r, _ := s.RTU(sector.rtu.Number)
		now.online = append(now.online, r.Online)
	}
	if before != nil && controls == 0 {
		now.controls = before.controls
	}
	if before != nil && before.equal(now) {
		return
	}
	w.seen.Store(now)
	w.rouse()
}
