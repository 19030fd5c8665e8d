package rtdb

import (
	"context"
	"fmt"
	"slices"

	"github.com/fepha/fepha/fsm"
)

// sweepPage is about how many keys are looked at at once.
const sweepPage = 1024

// sweep goes over all keys of the server and removes those of the view that aren't of the state: what a former
// configuration or a former life has left.
type sweep struct {
	running bool
	cursor  uint64
}

func (w *sweep) start() { w.running, w.cursor = true, 0 }

// sweepSome looks at one page.
func (s *session) sweepSome(ctx context.Context) error {
	page, cursor, err := s.client.Scan(ctx, s.sweep.cursor, viewPattern, sweepPage).Result()
	if err != nil {
		return fmt.Errorf("scan: %w", err)
	}
	for part := range slices.Chunk(page, sweepPage) { // a server may give more than it was asked for
		removed, err := s.unlink(ctx, s.gone(part), s.p.view.epochOf, s.p.view.index)
		if err != nil {
			return err
		}
		s.p.counts.removed.Add(uint64(removed))
	}
	s.sweep.cursor, s.sweep.running = cursor, cursor != 0
	return nil
}

// gone returns the keys that are to be removed.
func (s *session) gone(page []string) (gone []key) {
	v := s.p.view
	s.p.cfg.Replica.View(func(state *fsm.State) {
		if state.Config() != v.config {
			return // there will be another sweep
		}
		for _, text := range page {
			if k, ok := parseKey(text); ok && v.mayRemove(k) && !v.has(state, k) {
				gone = append(gone, k)
			}
		}
	})
	return gone
}

// mayRemove tells whether a key is this node's to remove, if the state doesn't have it. A server of its own is all its
// own. On a shared one other stations may have theirs: there it removes what is of its RTUs, and of RTUs and virtual
// points that it knew since it was started.
func (v *view) mayRemove(k key) bool {
	if !v.shared {
		return true
	}
	if k.kind == virtual {
		return v.owned[k.rtu]
	}
	if r := v.byNumber[k.rtu]; r != nil {
		return r.mine && !r.refused
	}
	_, known := v.epochs[k.rtu]
	return known
}

// has tells whether a key is of the state.
func (v *view) has(s *fsm.State, k key) bool {
	if k.kind == virtual {
		return v.isVirtual(fsm.PointKey{RTU: k.rtu, Kind: fsm.DI, Point: k.a})
	}
	r := v.byNumber[k.rtu]
	if r == nil {
		return false
	}
	switch k.kind {
	case useflag:
		return true
	case channel:
		return k.a >= 1 && int(k.a) <= len(r.channels) && k.b >= 1 && k.b <= r.channels[k.a-1]
	}
	point := fsm.PointKey{RTU: k.rtu, Kind: pointOfKind[k.kind], Point: k.a}
	_, ok := s.Point(point)
	return ok && !v.isVirtual(point)
}

// epochOf is the newest epoch of an RTU, there or gone, that this node knows.
func (v *view) epochOf(rtu uint32) uint64 { return v.epochs[rtu] }
