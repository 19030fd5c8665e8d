package forwarder

import (
	"sync"

	"github.com/fepha/fepha/iec104"
)

// startedLinks are the links of all uplinks that have to look for new events and values whenever the state has grown.
type startedLinks struct {
	mu       sync.Mutex
	sessions map[*iec104.Session]struct{}
}

func (l *startedLinks) add(s *iec104.Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sessions == nil {
		l.sessions = map[*iec104.Session]struct{}{}
	}
	l.sessions[s] = struct{}{}
}

func (l *startedLinks) remove(s *iec104.Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.sessions, s)
}

// wake makes each link ask its feed.
func (l *startedLinks) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.sessions {
		s.Wake()
	}
}
