package iec104

import (
	"context"
	"net/netip"
	"slices"
	"sync"

	"github.com/fepha/fepha/iec104/asdu"
)

// Group is a redundancy group (104, clause 10): the connections of one
// control centre, of which at most one is started. All functions are optional.
type Group struct {
	Name        string
	Clients     []netip.Prefix // none: any address
	CommonNames []string       // of the client's certificate, which TLS must ask for; none: any
	Independent bool           // each connection is a group of its own, so several may be started

	// AllowConnect may refuse a connection before any exchange. It may take
	// its time, e.g. to Challenge another session. It's where a session gets
	// its guard, see Session.SetWriteGuard.
	AllowConnect func(s *Session) error

	// AllowStart is asked when STARTDT act comes, and only after it has
	// returned nil the link is started and the act confirmed. It may take its
	// time; TESTFR is answered as ever. An error closes the link. ctx ends when
	// the client takes its act back or the link closes.
	AllowStart func(ctx context.Context, s *Session) error

	// Source gives what is sent on a started link. It is called once for each
	// AllowStart that returned nil, after an older started link of the group
	// was closed and its Source stopped. Source.Stopped then comes exactly
	// once, even if the link is lost meanwhile. nil: there is nothing to send.
	Source func(s *Session) Source

	// Started is called after STARTDT con and before Source.Next: what it
	// hands to Send goes first.
	Started func(s *Session)

	// Handle gets each ASDU from the client, in order, one call at a time; a
	// slow one delays nothing but the ASDUs behind it. index counts the ASDUs
	// of this connection from 1, see Ack. a may be used during the call only:
	// Clone it to keep it.
	Handle func(s *Session, a asdu.ASDU, index uint64)

	// Closed is the last call for a session that AllowConnect let in.
	Closed func(s *Session, err error)
}

// group is a Group and its started link.
type group struct {
	Group
	mu      sync.Mutex // held while a link takes over from another
	started *Session   // the last one; it may have stopped since
}

// matches reports whether a client with this address may be one of the group.
func (g *group) matches(a netip.Addr) bool {
	return len(g.Clients) == 0 || slices.ContainsFunc(g.Clients, func(p netip.Prefix) bool { return p.Contains(a) })
}

// admits reports whether the name in a client's certificate is one of the group's.
func (g *group) admits(commonName string) bool {
	return len(g.CommonNames) == 0 || commonName != "" && slices.Contains(g.CommonNames, commonName)
}

func (g *group) allowStart(ctx context.Context, s *Session) error {
	if g.AllowStart == nil {
		return nil
	}
	return g.AllowStart(ctx, s)
}

// start makes s the started link of the group. The older one is closed, and
// has handed back what was not acknowledged before s asks for anything.
func (g *group) start(s *Session) {
	if !g.Independent {
		g.mu.Lock()
		defer g.mu.Unlock()
		if old := g.started; old != nil && old != s {
			old.supersede()
		}
		g.started = s
	}
	s.awaitSource()
	var source Source = noSource{}
	if g.Source != nil {
		source = g.Source(s)
	}
	if s.confirm() && g.Started != nil {
		g.Started(s)
	}
	s.feed(source)
}

// ended forgets a session that was closed.
func (g *group) ended(s *Session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.started == s {
		g.started = nil
	}
}

// noSource has nothing to send.
type noSource struct{}

func (noSource) Next() (asdu.ASDU, uint64, bool) { return asdu.ASDU{}, 0, false }
func (noSource) Acked(uint64)                    {}
func (noSource) Stopped(error)                   {}
