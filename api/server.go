package api

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/fepha/fepha/cluster"
)

// Config is what a Server works with.
type Config struct {
	Node    *cluster.Node
	Station uint16                // the station's number
	RTUs    map[uint32][][]string // addresses of the links of each channel, by RTU
	TLS     *tls.Config           // nil: plain HTTP, accepted on loopback addresses only
	Log     *slog.Logger
}

// Limits of what a client may take.
const (
	maxBody           = 1 << 20 // octets of a request's body
	headerTimeout     = 5 * time.Second
	idleTimeout       = 2 * time.Minute
	proposeTimeout    = 10 * time.Second // for the station to decide
	defaultPage       = 1000             // rows of a list
	maxPage           = 10000
	eventStreamBatch  = 256
	eventStreamKeepUp = 15 * time.Second // silence after which a comment shows that the stream is alive
)

// A Server serves one node's API.
type Server struct {
	cfg  Config
	http *http.Server
	stop context.CancelFunc
	ctx  context.Context // ends when the server closes, so that streams end too
}

// NewServer makes a server; Serve runs it.
func NewServer(cfg Config) *Server {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
		ErrorLog:          slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}
	return s
}

// Serve answers on l until Close. It returns nil after Close.
func (s *Server) Serve(l net.Listener) error {
	if s.cfg.TLS != nil {
		l = tls.NewListener(l, s.cfg.TLS)
	}
	err := s.http.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("api on %v: %w", l.Addr(), err)
}

// Close ends all requests and waits for them for a moment.
func (s *Server) Close() error {
	s.stop()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, h handler) {
		mux.Handle(pattern, s.authorise(pattern, h))
	}
	handle("GET /v1/status", s.status)
	handle("GET /v1/rtus", s.listRTUs)
	handle("GET /v1/rtus/{number}", s.showRTU)
	handle("POST /v1/rtus/{number}/failover", s.failoverRTU)
	handle("POST /v1/rtus/{number}/pin", s.pinRTU)
	handle("POST /v1/rtus/{number}/unpin", s.unpinRTU)
	handle("GET /v1/uplinks", s.listUplinks)
	handle("GET /v1/events", s.listEvents)
	handle("GET /v1/events/stream", s.streamEvents)
	handle("GET /v1/raft", s.raftStatus)
	handle("/", func(w http.ResponseWriter, r *http.Request) error {
		return &Error{http.StatusNotFound, CodeNotFound, fmt.Sprintf("no %s %s here", r.Method, r.URL.Path)}
	})
	return mux
}

// A handler answers a request or says why not; see writeError.
type handler func(w http.ResponseWriter, r *http.Request) error

// authorise is the one place that decides who may call h.
func (s *Server) authorise(_ string, h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if err := h(w, r); err != nil {
			writeError(w, err)
		}
	})
}

// reply writes v as JSON.
func reply(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // a client that is gone needs no answer
	return nil
}

// decode reads a JSON body into v; no body leaves v as it is.
func decode(r *http.Request, v any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	switch err := dec.Decode(v); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return invalid("body: %v", err)
	}
	if dec.More() {
		return invalid("body: expected one JSON object")
	}
	return nil
}
