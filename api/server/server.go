package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/replica"
)

// Config is what a Server works with.
type Config struct {
	Node    Node
	Station uint16                      // the station's number
	Name    string                      // the station's
	Zone    *time.Location              // the station's; nil is UTC
	APIs    map[string]string           // address of each node's API, by node, so that clients find the others
	Links   func(rtu uint32) [][]string // addresses of the links of each channel of an RTU; nil: not known

	// Describe tells what the configuration says of a point; nil: nothing. It is called for each point of a list.
	Describe func(fsm.PointKey) (PointInfo, bool)

	// Configurator changes the configuration; nil: nobody does.
	Configurator Configurator

	// Security is who may use the API. Nil: everybody on this host, and the listener must be a loopback one.
	Security *Security

	// CommitLatency tells how long this node's proposals took lately: half of them at most p50, 99 in 100 at most p99; 0:
	// there was none. Nil: not known.
	CommitLatency func() (p50, p99 time.Duration)
	// Holding is what this node knows to be wrong, whether the others have been told or not. Nil: nothing.
	Holding func() []condition.Holding
	// Settled tells whether the group has looked for long enough that no condition means that nothing is wrong. Nil: it has.
	Settled func() bool

	FNP        FNP                    // this node's part in FNP; nil: the station has none
	Tracer     *Tracer                // of the links' frames; nil: none are shown
	Collectors []prometheus.Collector // of metrics beside those of the state
	Build      string                 // version of the program
	Log        *slog.Logger           // nil: silent
}

// Limits of what a client may take.
const (
	maxBody       = 1 << 20 // octets of a request's body
	headerTimeout = 5 * time.Second
	bodyTimeout   = 15 * time.Second
	answerTimeout = 30 * time.Second // for an answer to be taken, from the request's header on
	idleTimeout   = 2 * time.Minute
	closeTimeout  = 2 * time.Second
	defaultPage   = 1000 // rows of a list
	maxPage       = 10000
	maxStreams    = 64               // that go on until the client goes: events, traces
	streamSilence = 15 * time.Second // after which a comment shows that a stream is alive
	streamTimeout = 10 * time.Second // for a client of a stream to take what was written
	eventsAtOnce  = 256
	maxSnapshot   = 1 << 32 // octets
)

// A Server serves one node's API.
type Server struct {
	cfg      Config
	operator *replica.Operator
	http     *http.Server
	guard    guard
	metrics  http.Handler
	streams  chan struct{} // holds something for each that is open
	parts    *liveParts
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
	if cfg.CommitLatency == nil {
		cfg.CommitLatency = func() (p50, p99 time.Duration) { return 0, 0 }
	}
	if cfg.Settled == nil {
		cfg.Settled = func() bool { return true }
	}
	if cfg.Holding == nil {
		cfg.Holding = func() []condition.Holding { return nil }
	}
	if cfg.Links == nil {
		cfg.Links = func(uint32) [][]string { return nil }
	}
	s := &Server{cfg: cfg, operator: replica.NewOperator(cfg.Node), streams: make(chan struct{}, maxStreams)}
	s.guard.log = cfg.Log
	s.metrics = s.newMetrics()
	s.parts = newLiveParts(s.readParts)
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       bodyTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
		ErrorLog:          slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}
	return s
}

// Serve answers on l until Close, and returns nil then. It refuses with
// ErrInsecure to serve beyond this host without Security, and with ErrSecurity
// if what Security names can't be used.
func (s *Server) Serve(l net.Listener) error {
	secured, err := s.guard.open(l, s.cfg.Security)
	if err != nil {
		return errors.Join(fmt.Errorf("api on %v: %w", l.Addr(), err), l.Close())
	}
	var operating sync.WaitGroup
	defer operating.Wait()
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	operating.Go(func() { s.operator.Run(ctx) })
	if err := s.http.Serve(secured); !errors.Is(err, http.ErrServerClosed) {
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
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = s.http.Close()
	}
	s.handling.Lock()
	defer s.handling.Unlock()
	return err
}

// routes are all that the API has. GETs change nothing; what changes something
// is a POST, and guard.admit counts on that.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, h handler) { mux.Handle(pattern, s.authorise(members, h)) }
	handle("GET /v1/status", s.status)
	handle("GET /v1/live", s.streamLive)
	handle("GET /v1/rtus", s.listRTUs)
	handle("GET /v1/rtus/{number}", s.showRTU)
	handle("GET /v1/rtus/{number}/strays", s.listStrays)
	handle("POST /v1/rtus/{number}/failover", s.failoverRTU)
	handle("POST /v1/rtus/{number}/pin", s.pinRTU)
	handle("POST /v1/rtus/{number}/unpin", s.unpinRTU)
	handle("GET /v1/uplinks", s.listUplinks)
	handle("GET /v1/uplinks/{name}/{group}", s.showUplink)
	handle("POST /v1/uplinks/{name}/{group}/release", s.releaseUplink)
	handle("GET /v1/points", s.listPoints)
	handle("GET /v1/points/{rtu}/{kind}/{point}", s.showPoint)
	handle("GET /v1/conditions", s.listConditions)
	handle("GET /v1/conditions/history", s.listGoneConditions)
	handle("POST /v1/conditions/{id}/ack", s.ackCondition)
	handle("GET /v1/events", s.listEvents)
	handle("GET /v1/events/stream", s.streamEvents)
	handle("GET /v1/controls", s.listControls)
	handle("GET /v1/controls/{id}", s.showControl)
	handle("POST /v1/controls", s.submitControl)
	handle("GET /v1/fnp", s.fnpStatus)
	handle("GET /v1/fnp/table", s.listFNP)
	handle("GET /v1/fnp/table/{id}", s.showFNP)
	handle("POST /v1/fnp/table/{id}/leave", s.leaveFNP)
	handle("POST /v1/fnp/send", s.sendFNP)
	handle("GET /v1/fnp/messages", s.listFNPMessages)
	handle("GET /v1/config", s.runningConfig)
	mux.Handle("POST /v1/config", s.authorise(configurers, s.applyConfig))
	mux.Handle("POST /v1/config/stage", s.authorise(configurers, s.stageConfig))
	handle("GET /v1/raft", s.raftStatus)
	handle("GET /v1/raft/peers", s.raftPeers)
	handle("GET /v1/raft/snapshot", s.downloadSnapshot)
	handle("POST /v1/raft/snapshot", s.takeSnapshot)
	mux.Handle("POST /v1/raft/restore", s.authorise(uploaders, s.restoreSnapshot))
	handle("POST /v1/raft/transfer", s.transferLeadership)
	handle("POST /v1/raft/add", s.addPeer)
	handle("POST /v1/raft/remove", s.removePeer)
	handle("GET /v1/trace/rtu/{number}", s.traceRTU)
	handle("GET /v1/trace/rtu/{number}/capture", s.captureRTU)
	handle("GET /v1/trace/uplink/{name}/{group}", s.traceUplink)
	handle("GET /v1/trace/uplink/{name}/{group}/capture", s.captureUplink)
	handle("GET /metrics", func(w http.ResponseWriter, r *http.Request) error {
		s.metrics.ServeHTTP(w, r)
		return nil
	})
	mux.Handle("GET /livez", s.authorise(everybody, s.live))
	mux.Handle("GET /readyz", s.authorise(everybody, s.ready))
	for _, file := range pageFiles() {
		mux.Handle("GET "+file.Route, s.authorise(everybody, s.servePage(file)))
	}
	return s.elsewhere(mux)
}

// A handler answers a request or says why not; see writeError.
type handler func(w http.ResponseWriter, r *http.Request) error

// answer makes an http.Handler of h.
func (s *Server) answer(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.handling.RLock()
		defer s.handling.RUnlock()
		setHeaders(w.Header())
		if err := h(w, r); err != nil {
			writeError(w, err)
		}
	})
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
				return notFound("no %s here", r.URL.Path)
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
