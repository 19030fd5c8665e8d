package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/internal/reload"
)

// What Serve refuses with.
var (
	// ErrInsecure: without Security the API is served on loopback addresses only.
	ErrInsecure = errors.New("expected a loopback address, since the station is insecure")

	// ErrSecurity: a file that Security names can't be used.
	ErrSecurity = errors.New("bad API security")
)

// access says what a route is for.
type access struct {
	open bool  // nothing about the station is told there, so anybody may ask
	body int64 // octets that a request's body may have
}

var (
	everybody = access{open: true}
	members   = access{body: maxBody} // those who have a certificate or a token
	uploaders = access{body: maxSnapshot}
)

// guard decides who may do what.
type guard struct {
	log      *slog.Logger
	insecure bool // whoever is on this host may do everything
	tokens   *reload.Value[[]token]
	refused  atomic.Uint64
	told     atomic.Int64 // when a refusal was logged last, s since 1970
}

// open makes of a listener one that the guard can answer for.
func (g *guard) open(l net.Listener, s *Security) (net.Listener, error) {
	if s == nil {
		if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
			return nil, ErrInsecure
		}
		g.insecure = true
		return bounded(l), nil
	}
	certificates, err := s.certificates(g.log)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSecurity, err)
	}
	if g.tokens, err = s.tokens(g.log); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSecurity, err)
	}
	return tls.NewListener(bounded(l), certificates), nil
}

// authorise is the one place that decides who may call h.
func (s *Server) authorise(to access, h handler) http.Handler {
	return s.answer(func(w http.ResponseWriter, r *http.Request) error {
		r.Body = http.MaxBytesReader(w, r.Body, to.body)
		caller, err := s.guard.admit(to, r)
		if err != nil {
			s.guard.note(r, err)
			if e, ok := errors.AsType[*api.Error](err); ok && e.Status == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", `Bearer realm="fepha"`)
			}
			return err
		}
		if changes(r) {
			s.guard.log.Info("API request", "method", r.Method, "path", r.URL.Path, "client", r.RemoteAddr, "by", caller)
		}
		return h(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, caller)))
	})
}

// admit says who calls, or why not.
func (g *guard) admit(to access, r *http.Request) (caller string, err error) {
	// A page elsewhere whose name was made to point at this host is told apart by the name that the browser asked for.
	if g.insecure && !isLoopbackName(r.Host) {
		return "", forbidden("host %q: expected localhost or a loopback address, since the station is insecure", r.Host)
	}
	if changes(r) {
		if err := sameOrigin(r); err != nil {
			return "", err
		}
	}
	switch {
	case to.open:
		return "", nil
	case g.insecure:
		return "local", nil
	case r.TLS != nil && len(r.TLS.VerifiedChains) > 0:
		return certificateName(r.TLS.PeerCertificates[0]), nil
	}
	if name, ok := g.holder(r); ok {
		return name, nil
	}
	return "", &api.Error{Status: http.StatusUnauthorized, Code: api.CodeUnauthorised, Message: "expected a client certificate of the station's CA, or a valid token"}
}

// note counts a refusal, and logs one a second at most.
func (g *guard) note(r *http.Request, reason error) {
	g.refused.Add(1)
	if now := time.Now().Unix(); g.told.Swap(now) != now {
		g.log.Warn("API request refused", "method", r.Method, "path", r.URL.Path, "client", r.RemoteAddr, "reason", reason)
	}
}

// holder is the name that a request's bearer token has. Every token is compared,
// in constant time, so that the time says nothing.
func (g *guard) holder(r *http.Request) (name string, ok bool) {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || secret == "" {
		return "", false
	}
	sum := sha256.Sum256([]byte(secret))
	for _, t := range g.tokens.Get() {
		if subtle.ConstantTimeCompare(sum[:], t.sum[:]) == 1 {
			name, ok = t.name, true
		}
	}
	return name, ok
}

// changes tells whether a request may change something.
func changes(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions
}

// sameOrigin refuses what another site's page may have had a browser send. A
// browser says with every POST where its page is from; what says nothing is a
// tool, such as curl, which nobody's page can steer.
func sameOrigin(r *http.Request) error {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		return forbidden("%v", err)
	}
	return nil
}

func isLoopbackName(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// callerKey is under which a request's context has who calls.
type callerKey struct{}

// callerOf is who calls: the name of a certificate or token.
func callerOf(r *http.Request) string {
	name, _ := r.Context().Value(callerKey{}).(string)
	return name
}

// setHeaders has browsers take an answer for what it is and nothing else: no
// script, style or frame but the page's own.
func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", contentPolicy(nil))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// contentPolicy allows a page its own files and nothing else, and to ask its own node and whom elsewhere names.
func contentPolicy(elsewhere []string) string {
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; " +
		"frame-ancestors 'none'; connect-src " + strings.Join(append([]string{"'self'"}, elsewhere...), " ")
}
