package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/access"
	"github.com/fepha/fepha/api/server/internal/inside"
	"github.com/fepha/fepha/api/server/internal/journal"
	"github.com/fepha/fepha/api/server/internal/live"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/api/server/trace"
	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/filestore"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/internal/build"
	"github.com/fepha/fepha/internal/panics"
	"github.com/fepha/fepha/replica"
	"github.com/fepha/fepha/trend"
)

// Config is what a Server works with.
type Config struct {
	Node    Node
	Station uint16                      // the station's number
	Name    string                      // the station's
	Zone    *time.Location              // the station's; nil is UTC
	APIs    map[string]string           // address of each node's API, by node, so that clients find the others
	Links   func(rtu uint32) [][]string // addresses of the links of each channel of an RTU; nil: not known

	CommonAddress   func(rtu uint32) uint16      // of an RTU; nil: not known
	CommonAddresses func(uplink string) []uint16 // of an uplink, its own and those of its sectors; nil: not known

	// Describe tells what the configuration says of a point; nil: nothing. It is called for each point of a list.
	Describe func(fsm.PointKey) (PointInfo, bool)

	// Addresses are where control centres find a point; nil: not known. It is called for each point of a list.
	Addresses func(fsm.PointKey) []api.UplinkAddress

	// Trend is the course of an analog, and from when on nothing is missing in it: see trend.Recorder; nil: none is kept.
	Trend func(k fsm.PointKey, nowMs int64) (samples []trend.Sample, completeFromMs int64)

	// UplinkTable is the table of an uplink; nil: not known.
	UplinkTable func(uplink string) (rows []UplinkRow, ok bool)

	// Configurator changes the configuration; nil: nobody does.
	Configurator Configurator

	// Security is who may use the API. Nil: everybody on this host, and the listener must be a loopback one.
	Security *access.Security

	// CommitLatency tells how long this node's proposals took lately: half of them at most p50, 99 in 100 at most p99; 0:
	// there was none. Nil: not known.
	CommitLatency func() (p50, p99 time.Duration)
	// Table are the monitored points of an RTU as configured, in the order of the table; nil: not known.
	Table func(rtu uint32) []fsm.PointKey
	// Controls are the points of an RTU that can be operated, as configured, in the order of the table; nil: not known.
	Controls func(rtu uint32) []fsm.PointKey
	// Unanswered tells which of them the device doesn't answer; nil: not known.
	Unanswered Unanswered

	// Holding is what this node knows to be wrong, whether the others have been told or not. Nil: nothing.
	Holding func() []condition.Holding
	// Settled tells whether the group has looked for long enough that no condition means that nothing is wrong. Nil: it has.
	Settled func() bool

	Files      *filestore.Store       // copies of devices' files; nil: none are kept
	Exports    map[string]ExportInfo  // by name; nil: there are none
	Backups    Backups                // this node's; nil: it keeps none
	FNP        FNP                    // this node's part in FNP; nil: the station has none
	Tracer     *trace.Tracer          // of the links' frames; nil: none are shown
	Collectors []prometheus.Collector // of metrics beside those of the state
	Build      build.Info             // the program
	Log        *slog.Logger           // nil: silent
	LogTail    func() []byte          // the newest lines of the log; nil: none are kept

	// Of tests; 0: as in service.
	askAgain     time.Duration // after which a stream asks whether its caller still may
	passwordCost int           // of bcrypt
	latePatience time.Duration // for a token that this node has not heard of yet
}

// Limits of what a client may take; package rest has those of lists and streams.
const (
	maxBody       = 1 << 20 // octets of a request's body
	headerTimeout = 5 * time.Second
	bodyTimeout   = 15 * time.Second
	answerTimeout = 30 * time.Second // for an answer to be taken, from the request's header on
	idleTimeout   = 2 * time.Minute
	closeTimeout  = 2 * time.Second
	maxSnapshot   = 1 << 32 // octets
)

// A Server serves one node's API.
type Server struct {
	cfg      Config
	operator *replica.Operator
	http     *http.Server // on the api address
	local    *http.Server // on the data folder's socket
	guard    *access.Guard
	json     rest.JSON
	streams  *rest.Streams
	journal  *journal.Journal
	parts    *live.Parts
	inside   *inside.Node
	metrics  http.Handler
	applying chan struct{} // holds something while a configuration is applied
	staging  chan struct{} // and while another node has one checked here
	stop     context.CancelFunc
	ctx      context.Context // ends when the server closes, so that streams end too

	handling sync.RWMutex // read-locked by each request, so that Close can wait for the last one
}

// New makes a server; Serve runs it.
func New(cfg Config) *Server {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Zone == nil {
		cfg.Zone = time.UTC
	}
	if cfg.Describe == nil {
		cfg.Describe = func(fsm.PointKey) (PointInfo, bool) { return PointInfo{}, false }
	}
	if cfg.UplinkTable == nil {
		cfg.UplinkTable = func(string) ([]UplinkRow, bool) { return nil, false }
	}
	if cfg.Addresses == nil {
		cfg.Addresses = func(fsm.PointKey) []api.UplinkAddress { return nil }
	}
	if cfg.Trend == nil {
		cfg.Trend = func(_ fsm.PointKey, nowMs int64) ([]trend.Sample, int64) { return nil, nowMs }
	}
	if cfg.CommitLatency == nil {
		cfg.CommitLatency = func() (p50, p99 time.Duration) { return 0, 0 }
	}
	if cfg.Table == nil {
		cfg.Table = func(uint32) []fsm.PointKey { return nil }
	}
	if cfg.Controls == nil {
		cfg.Controls = func(uint32) []fsm.PointKey { return nil }
	}
	if cfg.Unanswered == nil {
		cfg.Unanswered = func(uint32) (never, noLonger []fsm.PointKey, ok bool) { return nil, nil, false }
	}
	if cfg.Settled == nil {
		cfg.Settled = func() bool { return true }
	}
	if cfg.Holding == nil {
		cfg.Holding = func() []condition.Holding { return nil }
	}
	if cfg.CommonAddress == nil {
		cfg.CommonAddress = func(uint32) uint16 { return 0 }
	}
	if cfg.CommonAddresses == nil {
		cfg.CommonAddresses = func(string) []uint16 { return nil }
	}
	if cfg.Links == nil {
		cfg.Links = func(uint32) [][]string { return nil }
	}
	s := &Server{
		cfg: cfg, operator: replica.NewOperator(cfg.Node), json: rest.JSON{Zone: cfg.Zone},
		applying: make(chan struct{}, 1), staging: make(chan struct{}, 1),
	}
	s.guard = access.New(access.Config{
		Node: cfg.Node, APIs: cfg.APIs, Security: cfg.Security, JSON: s.json, Log: cfg.Log, PasswordCost: cfg.passwordCost, LatePatience: cfg.latePatience,
	})
	s.streams = rest.NewStreams(s.json, cmp.Or(cfg.askAgain, rest.Silence))
	s.journal = &journal.Journal{Node: cfg.Node, Streams: s.streams, Named: s.named}
	s.metrics = s.newMetrics()
	s.parts = live.New(s.readParts)
	s.inside = &inside.Node{Log: cfg.LogTail, Tracer: cfg.Tracer, Resources: s.linked}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.http, s.local = s.newHTTP(), s.newHTTP()
	return s
}

// linked are the resources that have links.
func (s *Server) linked() (ids []string) {
	s.cfg.Node.View(func(state *fsm.State) {
		for _, r := range state.RTUs() {
			ids = append(ids, fsm.RTUResource(r.Number))
		}
		for _, g := range state.Groups() {
			ids = append(ids, g.Resource)
		}
	})
	return ids
}

func (s *Server) newHTTP() *http.Server {
	return &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       bodyTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
		ConnContext:       access.ConnContext,
		ErrorLog:          s.guard.ErrorLog(),
	}
}

// Serve answers on l until Close, and returns nil then. It refuses with
// access.ErrInsecure to serve beyond this host without Security, and with
// access.ErrSecurity if what Security names can't be used.
func (s *Server) Serve(l net.Listener) error {
	secured, err := s.guard.Listen(l)
	if err != nil {
		return errors.Join(fmt.Errorf("api on %v: %w", l.Addr(), err), l.Close())
	}
	var operating sync.WaitGroup
	defer operating.Wait()
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	operating.Go(func() { s.operator.Run(ctx) })
	operating.Go(func() { s.guard.Run(ctx) })
	if err := s.http.Serve(secured); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("api on %v: %w", l.Addr(), err)
	}
	return nil
}

// ServeLocal answers on the data folder's Unix socket until Close, and returns nil then.
func (s *Server) ServeLocal(l *net.UnixListener) error {
	if err := s.local.Serve(s.guard.ListenLocal(l)); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("api on %v: %w", l.Addr(), err)
	}
	return nil
}

// Close ends all requests: those that can be answered at once are. It returns
// after the last one has ended.
func (s *Server) Close() error {
	s.stop()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := errors.Join(shut(ctx, s.http), shut(ctx, s.local))
	s.handling.Lock()
	defer s.handling.Unlock()
	return err
}

// shut ends a server: its requests too, if they haven't ended with ctx.
func shut(ctx context.Context, h *http.Server) error {
	if h.Shutdown(ctx) == nil {
		return nil
	}
	return h.Close()
}

// answer makes an http.Handler of h.
func (s *Server) answer(h rest.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.handling.RLock()
		defer s.handling.RUnlock()
		setHeaders(w.Header())
		w.Header().Set("Connection", "close") // but for those whom Authorise keeps
		w.Header().Set(api.ZoneHeader, s.cfg.Zone.String())
		if err := s.kept(h, w, r); err != nil {
			rest.WriteError(w, err)
		}
	})
}

// kept calls h. A panic costs this request alone; one that is meant to cut an answer short is none.
func (s *Server) kept(h rest.Handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler:
			panic(v)
		default:
			panics.Note(s.cfg.Log, "API request", v, debug.Stack())
			err = &api.Error{Status: http.StatusInternalServerError, Code: api.CodeInternal, Message: "this request has met a fault of the program, which is logged on this node: please report it"}
		}
	}()
	return h(w, r)
}

// elsewhere answers what has no route with an error in JSON, as everything else
// is answered, instead of the mux's text.
func (s *Server) elsewhere(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		found := headerRecorder{header: http.Header{}}
		h.ServeHTTP(&found, r)
		s.answer(func(w http.ResponseWriter, r *http.Request) error {
			if found.status != http.StatusMethodNotAllowed {
				return rest.NotFound("no %s here", r.URL.Path)
			}
			allow := found.header.Get("Allow")
			w.Header().Set("Allow", allow)
			return &api.Error{Status: http.StatusMethodNotAllowed, Code: api.CodeInvalid, Message: fmt.Sprintf("%s %s: expected %s", r.Method, r.URL.Path, allow)}
		}).ServeHTTP(w, r)
	})
}

// headerRecorder keeps an answer's status and header.
type headerRecorder struct {
	header http.Header
	status int
}

func (h *headerRecorder) Header() http.Header         { return h.header }
func (h *headerRecorder) WriteHeader(status int)      { h.status = status }
func (h *headerRecorder) Write(b []byte) (int, error) { return len(b), nil }
