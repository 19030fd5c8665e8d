// Package live keeps the station at a glance in parts that change one by one, so that whoever follows it is told only what has
// changed.
package live

import (
	"bytes"
	"encoding/json"
	"sync"
	"time"

	"github.com/fepha/fepha/api"
)

const (
	// Pace is the least time between two messages of a live stream: a person sees no more.
	Pace = 250 * time.Millisecond

	// maxGone is how many parts that have vanished are remembered for readers that have not been told.
	maxGone = 1024
)

// Parts is the station at a glance, in parts that change one by one. It is brought up to date by whoever reads it,
// at most once a Pace, so that ten readers cost what one does.
type Parts struct {
	read func() map[string]any // all parts as they are now

	mu      sync.Mutex
	readAt  time.Time
	version uint64 // grows with each reading that has brought a change
	parts   map[string]part
	gone    map[string]uint64 // version at which a part vanished
	floor   uint64            // what vanished up to this version may be forgotten
}

type part struct {
	version uint64 // at which it got this value
	value   json.RawMessage
}

// New keeps what read tells: all parts as they are now.
func New(read func() map[string]any) *Parts {
	return &Parts{read: read, parts: map[string]part{}, gone: map[string]uint64{}}
}

// Changes returns what has changed after a version, nil if nothing has, and the version that it leads to.
func (l *Parts) Changes(after uint64, now time.Time) (*api.LiveMessage, uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.readAt) >= Pace {
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

func (l *Parts) refresh() error {
	now, next := l.read(), l.version+1
	changed := false
	for name, v := range now {
		value, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if old, ok := l.parts[name]; !ok || !bytes.Equal(old.value, value) {
			l.parts[name] = part{next, value}
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
	if len(l.gone) > maxGone {
		l.gone, l.floor = map[string]uint64{}, next
	}
	if changed {
		l.version = next
	}
	return nil
}
