package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/replica"
)

const (
	// livePace is the least time between two messages of a live stream: a person sees no more.
	livePace = 250 * time.Millisecond

	// liveTick is how often what is no part of the replicated state, such as who is heard of, is read again.
	liveTick = time.Second

	// liveGone is how many parts that have vanished are remembered for readers that have not been told.
	liveGone = 1024
)

// liveParts is the station at a glance, in parts that change one by one. It is brought up to date by whoever reads it,
// at most once a livePace, so that ten readers cost what one does.
type liveParts struct {
	read func() map[string]any // all parts as they are now

	mu      sync.Mutex
	readAt  time.Time
	version uint64 // grows with each reading that has brought a change
	parts   map[string]livePart
	gone    map[string]uint64 // version at which a part vanished
	floor   uint64            // what vanished up to this version may be forgotten
}

type livePart struct {
	version uint64 // at which it got this value
	value   json.RawMessage
}

func newLiveParts(read func() map[string]any) *liveParts {
	return &liveParts{read: read, parts: map[string]livePart{}, gone: map[string]uint64{}}
}

// changes returns what has changed after a version, nil if nothing has, and the version that it leads to.
func (l *liveParts) changes(after uint64, now time.Time) (*api.LiveMessage, uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.readAt) >= livePace {
		if err := l.refresh(); err != nil {
			return nil, after, err
		}
		l.readAt = now
	}
	if after == l.version {
		return nil, after, nil
	}
	m := &api.LiveMessage{Whole: after == 0 || after < l.floor, Set: map[string]json.RawMessage{}, Gone: []string{}}
	for name, p := range l.parts {
		if m.Whole || p.version > after {
			m.Set[name] = p.value
		}
	}
	if !m.Whole {
		for name, version := range l.gone {
			if version > after {
				m.Gone = append(m.Gone, name)
			}
		}
	}
	return m, l.version, nil
}

func (l *liveParts) refresh() error {
	now, next := l.read(), l.version+1
	changed := false
	for name, v := range now {
		value, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if old, ok := l.parts[name]; !ok || !bytes.Equal(old.value, value) {
			l.parts[name] = livePart{next, value}
			delete(l.gone, name)
			changed = true
		}
	}
	for name := range l.parts {
		if _, ok := now[name]; !ok {
			delete(l.parts, name)
			l.gone[name] = next
			changed = true
		}
	}
	if len(l.gone) > liveGone {
		l.gone, l.floor = map[string]uint64{}, next
	}
	if changed {
		l.version = next
	}
	return nil
}

// readParts takes the status apart.
func (s *Server) readParts() map[string]any {
	st := s.readStatus()
	parts := map[string]any{"journal": st.Journal}
	for _, n := range st.Nodes {
		parts["nodes/"+n.ID] = n
	}
	for _, r := range st.RTUs {
		parts["rtus/"+strconv.FormatUint(uint64(r.Number), 10)] = r
	}
	for _, u := range st.Uplinks {
		parts["uplinks/"+u.Name+"/"+u.Group] = u
	}
	for _, c := range st.Conditions {
		parts["conditions/"+c.ID] = c
	}
	st.Journal, st.Nodes, st.RTUs, st.Uplinks, st.Conditions = api.JournalStatus{}, nil, nil, nil, nil
	st.CommitIndex = 0 // it grows with each entry, and nobody reads it at a glance
	parts["station"] = st
	return parts
}

// streamLive sends the station at a glance as server-sent events, whole at first and then what changes, until the
// client goes.
func (s *Server) streamLive(w http.ResponseWriter, r *http.Request) error {
	if err := checkQuery(r, "lang"); err != nil {
		return err
	}
	out, err := s.openStream(w, r, viewers)
	if err != nil {
		return err
	}
	defer out.close()
	var version uint64
	spoke := time.Now()
	for range replica.Follow(r.Context(), s.cfg.Node, replica.Pace{Least: livePace, Most: liveTick}) {
		now := time.Now()
		m, next, err := s.parts.changes(version, now)
		if err != nil {
			return err
		}
		if m != nil {
			version, spoke = next, now
			if err = out.send(0, m); err == nil {
				err = out.flush()
			}
		} else if now.Sub(spoke) >= streamSilence {
			spoke, err = now, out.comment()
		}
		if err != nil {
			return nil // the client is gone
		}
	}
	return nil
}
