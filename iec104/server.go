package iec104

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"
)

// ServerConfig describes a controlled station's endpoint.
type ServerConfig struct {
	Config
	Groups []Group     // at least one; a client belongs to the first that matches
	TLS    *tls.Config // nil: plain TCP. ClientAuth and ClientCAs ask for certificates (IEC 62351-3)
	Limits Limits

	// Tap is asked once for each session, right before its first exchange, who sees its frames; nil: nobody.
	Tap func(s *Session) Tap
	// Refused is told of each connection that was closed before any exchange.
	// It may be called from several goroutines at once and must not wait.
	Refused func(addr netip.AddrPort, err error)
	Log     *slog.Logger // nil: silent
}

// Server is a controlled station's endpoint: it accepts connections and runs a
// Session for each.
type Server struct {
	cfg    ServerConfig
	groups []*group
	wg     sync.WaitGroup

	mu        sync.Mutex // guards what follows
	closed    bool
	listeners map[net.Listener]bool
	conns     map[net.Conn]place // accepted ones, refused or not, until they end
	sessions  map[*Session]bool
	lastID    uint64
	counters  ServerCounters // of the sessions that have ended
}

// ServerCounters count since NewServer.
type ServerCounters struct {
	Counters                   // of all sessions, ended ones included
	Accepted uint64            // connections that became a session
	Refused  map[string]uint64 // the others, by Reason
	Closed   map[string]uint64 // sessions that have ended, by Reason
}

// NewServer checks the configuration; the error wraps ErrConfig or ErrProfile.
func NewServer(cfg ServerConfig) (*Server, error) {
	if err := cfg.Config.Validate(); err != nil {
		return nil, err
	}
	if len(cfg.Groups) == 0 {
		return nil, fmt.Errorf("%w: a server without a group serves nobody", ErrConfig)
	}
	cfg.Config, cfg.Limits = cfg.Config.withDefaults(), cfg.Limits.withDefaults()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	srv := &Server{
		cfg:       cfg,
		listeners: make(map[net.Listener]bool),
		conns:     make(map[net.Conn]place),
		sessions:  make(map[*Session]bool),
		counters:  ServerCounters{Refused: make(map[string]uint64), Closed: make(map[string]uint64)},
	}
	for _, g := range cfg.Groups {
		if len(g.CommonNames) > 0 && cfg.TLS == nil {
			return nil, fmt.Errorf("%w: group %q is chosen by certificate, which needs TLS", ErrConfig, g.Name)
		}
		srv.groups = append(srv.groups, &group{Group: g})
	}
	return srv, nil
}

// Serve accepts connections until the listener or the server is closed. It
// returns nil after Close, else the listener's error; the sessions go on.
// Several listeners may be served, at once or one after the other.
func (srv *Server) Serve(l net.Listener) error {
	srv.mu.Lock()
	if srv.closed {
		srv.mu.Unlock()
		l.Close()
		return nil
	}
	srv.listeners[l] = true
	srv.mu.Unlock()
	for {
		tcp, err := l.Accept()
		if shortage(err) {
			srv.cfg.Log.Warn("connection not accepted", "error", err)
			time.Sleep(acceptPause)
			continue
		}
		if err != nil {
			srv.mu.Lock()
			defer srv.mu.Unlock()
			delete(srv.listeners, l)
			if srv.closed {
				return nil
			}
			return fmt.Errorf("iec104: no more connections on %v: %w", l.Addr(), err)
		}
		srv.mu.Lock()
		if srv.closed {
			srv.mu.Unlock()
			tcp.Close()
			continue
		}
		at, err := srv.place(addrPort(tcp.RemoteAddr()).Addr())
		if err == nil {
			srv.conns[tcp] = at
			srv.wg.Add(1)
		}
		srv.mu.Unlock()
		if err != nil {
			srv.refuse(tcp, err)
			continue
		}
		go srv.serve(tcp)
	}
}

// acceptPause is the wait after a connection could not be accepted.
const acceptPause = 100 * time.Millisecond

// shortage reports whether accepting failed for want of something that may be
// there again later, such as file descriptors during a flood of connections.
func shortage(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// serve runs one connection to its end.
func (srv *Server) serve(tcp net.Conn) {
	defer srv.wg.Done()
	defer func() {
		srv.mu.Lock()
		defer srv.mu.Unlock()
		delete(srv.conns, tcp)
	}()
	defer func() {
		if v := recover(); v != nil {
			tcp.Close()
			tellPanic(srv.cfg.Config, srv.cfg.Log, v)
		}
	}()
	s, err := srv.admit(tcp)
	if err != nil {
		srv.refuse(tcp, err)
		return
	}
	s.run()
}

// admit finds the group of a connection, shakes hands and asks the application.
func (srv *Server) admit(tcp net.Conn) (*Session, error) {
	addr := addrPort(tcp.RemoteAddr())
	candidates := srv.groupsOf(addr.Addr())
	s := &Session{server: srv}
	s.init(srv.cfg.Config, tcp, s, false)
	s.inbox.limit = srv.cfg.Limits.Backlog
	s.rate.limit = srv.cfg.Limits.FramesPerSecond
	if srv.cfg.TLS != nil {
		secured := tls.Server(tcp, srv.cfg.TLS)
		ctx, cancel := context.WithTimeout(context.Background(), srv.cfg.T0)
		defer cancel()
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, fmt.Errorf("%w: TLS with %v: %w", ErrRefused, addr, err)
		}
		s.net = secured
		if chains := secured.ConnectionState().VerifiedChains; len(chains) > 0 {
			s.name = chains[0][0].Subject.CommonName
		}
	}
	i := slices.IndexFunc(candidates, func(g *group) bool { return g.admits(s.name) })
	if i < 0 {
		return nil, fmt.Errorf("%w: certificate %q from %v", ErrNoGroup, s.name, addr.Addr())
	}
	s.group = candidates[i]
	if err := srv.move(tcp, s.group); err != nil {
		return nil, err
	}
	s.log = srv.cfg.Log.With("group", s.group.Name, "client", addr)
	if srv.cfg.Tap != nil {
		s.tap = srv.cfg.Tap(s)
	}
	srv.mu.Lock()
	srv.lastID++
	s.id = srv.lastID
	srv.mu.Unlock()
	if s.group.AllowConnect != nil {
		if err := s.group.AllowConnect(s); err != nil {
			err = fmt.Errorf("%w: %w", ErrRefused, err)
			s.fail(err)
			close(s.done)
			return nil, err
		}
	}
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.sessions[s] = true
	srv.counters.Accepted++
	s.log.Info("client connected")
	return s, nil
}

// refuse closes a connection before any exchange.
func (srv *Server) refuse(tcp net.Conn, err error) {
	tcp.Close()
	addr := addrPort(tcp.RemoteAddr())
	srv.mu.Lock()
	srv.counters.Refused[Reason(err)]++
	srv.mu.Unlock()
	srv.cfg.Log.Warn("connection refused", "client", addr, "reason", err)
	if srv.cfg.Refused != nil {
		srv.cfg.Refused(addr, err)
	}
}

// ended takes leave of a session.
func (srv *Server) ended(s *Session, err error) {
	counters := s.Counters()
	srv.mu.Lock()
	defer srv.mu.Unlock()
	delete(srv.sessions, s)
	srv.counters.add(counters)
	srv.counters.Closed[Reason(err)]++
}

// Sessions are those that are connected now, in the order they came.
func (srv *Server) Sessions() []*Session {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	return slices.SortedFunc(maps.Keys(srv.sessions), func(a, b *Session) int { return cmp.Compare(a.id, b.id) })
}

// Counters are the server's counts so far.
func (srv *Server) Counters() ServerCounters {
	srv.mu.Lock()
	c := srv.counters
	c.Refused, c.Closed = maps.Clone(c.Refused), maps.Clone(c.Closed)
	sessions := slices.Collect(maps.Keys(srv.sessions))
	srv.mu.Unlock()
	for _, s := range sessions {
		c.add(s.Counters())
	}
	return c
}

// Close closes the listeners and the sessions and waits for them: no call into
// the application is under way when it returns. So it must not be called from
// one.
func (srv *Server) Close() error {
	srv.mu.Lock()
	srv.closed = true
	for l := range srv.listeners {
		l.Close()
	}
	for s := range srv.sessions {
		s.fail(ErrClosed)
	}
	for tcp := range srv.conns {
		tcp.Close() // also those that are not admitted yet
	}
	srv.mu.Unlock()
	srv.wg.Wait()
	return nil
}
