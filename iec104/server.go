package iec104

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"time"
)

// ServerConfig describes a controlled station's endpoint.
type ServerConfig struct {
	Config
	Groups []Group     // at least one; a client belongs to the first that matches
	TLS    *tls.Config // nil: plain TCP. Set ClientAuth and ClientCAs to ask for certificates (IEC 62351-3)
	Limits Limits

	// Tap sees the frames of all sessions; of one session, one at a time.
	Tap func(s *Session, dir Direction, at time.Time, frame []byte)
	// Refused is told of each connection that was closed before any exchange.
	Refused func(addr net.Addr, err error)
	Log     *slog.Logger // nil: silent
}

// Group is a redundancy group (104, clause 10): the connections of one
// control centre, of which at most one is started. All functions are optional.
type Group struct {
	Name        string
	Clients     []netip.Prefix // none: any address
	CommonNames []string       // of the client's certificate; none: any. Needs TLS
	Independent bool           // each connection is a group of its own: several may be started

	// AllowConnect may refuse a connection before any exchange. It may take
	// its time, e.g. to Challenge another session.
	AllowConnect func(s *Session) error

	// AllowStart is asked when STARTDT act comes. The confirmation is sent only
	// after it has returned nil; it may take its time, while TESTFR is
	// answered as ever. An error closes the link. ctx ends when the link is
	// stopped or closed meanwhile.
	AllowStart func(ctx context.Context, s *Session) error

	// Source gives what is sent on the link. It is called once for each
	// AllowStart that returned nil, after an older started link of the group
	// was closed and its Source was stopped; Source.Stopped is then called
	// exactly once, even if the link was lost meanwhile.
	Source func(s *Session) Source

	// Started is called after STARTDT con and before Source.Next: what it
	// hands to Send goes first.
	Started func(s *Session)

	// Handle gets each ASDU from the client, in order, one call at a time; a
	// slow one delays nothing but those behind it. index counts the ASDUs of
	// this connection from 1, see Ack. a is valid during the call only: Clone
	// it to keep it.
	Handle func(s *Session, a ASDU, index uint64)

	// Closed is the last call for a session that AllowConnect let in.
	Closed func(s *Session, err error)

	// WriteGuard is asked right before every write to the socket of a starting
	// or started link. An error closes the connection and nothing is written.
	WriteGuard func(s *Session) error
}

// Limits bound what clients can take of a server. Zero fields have defaults.
type Limits struct {
	Connections     int // at a time; 64
	FramesPerSecond int // received from one client; no limit
	Backlog         int // octets of received ASDUs waiting for Handle, a session; 64 KiB
}

// Server is a controlled station's endpoint: it accepts connections and runs
// one Session for each.
type Server struct{}

// NewServer checks the configuration.
func NewServer(cfg ServerConfig) (*Server, error) { return &Server{}, nil }

// Serve accepts connections until the listener or the server is closed. It
// returns nil after Close, else the listener's error; the sessions go on.
// Several listeners may be served.
func (s *Server) Serve(l net.Listener) error { return nil }

// Sessions are those that are connected now, in the order they came.
func (s *Server) Sessions() []*Session { return nil }

// Close closes the listeners and the sessions and waits for them.
func (s *Server) Close() error { return nil }

// ServerCounters count since NewServer.
type ServerCounters struct {
	Counters                   // of all sessions, ended ones included
	Accepted uint64            // connections that became a session
	Refused  map[string]uint64 // others, by reason: see Reason
	Closed   map[string]uint64 // sessions that ended, by reason
}

// Counters are the server's counts so far.
func (s *Server) Counters() ServerCounters { return ServerCounters{} }

// Reason is a short name of why a link was closed or refused, fit for a
// metric's label: "t1", "sequence", "group", "peer", ...
func Reason(err error) string { return "" }
