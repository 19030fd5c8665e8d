package access

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/internal/certid"
	"github.com/fepha/fepha/internal/loglimit"
	"github.com/fepha/fepha/internal/reload"
	"github.com/fepha/fepha/internal/slots"
	"github.com/fepha/fepha/replica"
)

// What Serve refuses with.
var (
	// ErrInsecure: without Security the API is served on loopback addresses only.
	ErrInsecure = errors.New("expected a loopback address, since the station is insecure")

	// ErrSecurity: a file that Security names can't be used.
	ErrSecurity = errors.New("bad API security")
)

// Config is what a Guard works with.
type Config struct {
	Node     replica.Member    // its state has users, tokens, sessions and revocations
	APIs     map[string]string // address of each node's API, by node: their connections are known
	Security *Security         // nil: whoever is on this host may do everything, and nobody else anything
	JSON     rest.JSON
	Log      *slog.Logger

	// Of tests; 0: as in service.
	PasswordCost int           // of bcrypt
	LatePatience time.Duration // for a token or session that this node has not heard of yet
}

// A Guard decides who may do what.
type Guard struct {
	node     replica.Member
	apis     map[string]string
	security *Security
	json     rest.JSON
	log      *slog.Logger
	warnings *slog.Logger                          // limited: of lines that whoever may connect can cause
	slots    *slots.Slots                          // of connections
	tokens   atomic.Pointer[reload.Value[[]token]] // of this node's file; nil: not read yet, or there are none
	uses     uses
	guesses  guesses
	refused  atomic.Uint64
	refusals *replica.Refusals

	latecomers latecomers
}

// New makes a guard; Run runs it.
func New(cfg Config) *Guard {
	g := &Guard{
		node: cfg.Node, apis: cfg.APIs, security: cfg.Security, json: cfg.JSON, log: cfg.Log, warnings: loglimit.New(cfg.Log), slots: newSlots(cfg.APIs),
		refusals: replica.NewRefusals(cfg.Node),
	}
	g.guesses.init(cmp.Or(cfg.PasswordCost, passwordCost))
	g.latecomers = latecomers{make(chan struct{}, maxLatecomers), cmp.Or(cfg.LatePatience, latePatience)}
	return g
}

// Run has the group know of uses and refusals, until ctx ends.
func (g *Guard) Run(ctx context.Context) {
	var refusals sync.WaitGroup
	refusals.Go(func() { g.refusals.Run(ctx) })
	defer refusals.Wait()
	tick := time.NewTicker(useInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			g.uses.tellOnce(ctx, g.node)
		}
	}
}

// Refused is how many requests were refused to their callers.
func (g *Guard) Refused() uint64 { return g.refused.Load() }

// Listen makes of a listener one that the guard can answer for: connections have slots, and TLS if there is Security. It refuses
// with ErrInsecure to serve beyond this host without, and with ErrSecurity if what Security names can't be used.
func (g *Guard) Listen(l net.Listener) (net.Listener, error) {
	l = &slotted{l, g.slots}
	s := g.security
	if s == nil {
		if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
			return nil, ErrInsecure
		}
		return l, nil
	}
	certificates, err := s.certificates(g.log)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSecurity, err)
	}
	tokens, err := s.tokens(g.log)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSecurity, err)
	}
	g.tokens.Store(tokens)
	return tls.NewListener(l, certificates), nil
}

// Authorise is the one place that decides who may call h. h's request has the caller, and how a stream asks again whether its
// caller still may.
func (g *Guard) Authorise(to Rule, h rest.Handler) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		r.Body = http.MaxBytesReader(w, r.Body, to.Body)
		caller, err := g.admit(to, r)
		if err != nil {
			g.note(r, caller, err)
			if e, ok := errors.AsType[*api.Error](err); ok && e.Status == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", `Bearer realm="fepha"`)
			}
			return err
		}
		if caller.name != "" {
			keep(w, r)
		}
		if changes(r) {
			log := g.log
			if caller.name == "" {
				log = g.warnings // a stranger's login
			}
			log.Info("API request", "method", r.Method, "path", r.URL.Path, "client", r.RemoteAddr, "by", caller.name)
		}
		mayStill := func() error { _, err := g.admit(to, r); return err }
		return h(w, r.WithContext(rest.WithMayStill(withCaller(r.Context(), caller), mayStill)))
	}
}

// admit says who calls, or why not. It may be asked again about a request that goes on.
func (g *Guard) admit(to Rule, r *http.Request) (caller, error) {
	local, isLocal := localCaller(r)
	// A page elsewhere whose name was made to point at this host is told apart by the name that the browser asked for.
	if g.security == nil && !isLocal && !isLoopbackName(r.Host) {
		return caller{}, rest.Forbidden("host %q: expected localhost or a loopback address, since the station is insecure", r.Host)
	}
	if changes(r) {
		if err := g.sameOrigin(r); err != nil {
			return caller{}, err
		}
	}
	switch {
	case to.Open:
		return caller{}, nil
	case isLocal:
		return local, nil
	case g.security == nil:
		return caller{name: byLocal, kind: byLocal, role: fsm.Admin}, nil
	}
	c, err := g.identify(r)
	if err != nil && g.latecomers.wait(r, g) {
		c, err = g.identify(r)
	}
	if err == nil {
		err = c.may(to)
	}
	return c, err
}

// identify says who a request is from, by the first of its credentials that is good.
func (g *Guard) identify(r *http.Request) (caller, error) {
	now := time.Now()
	if c, ok := g.byToken(r, now); ok {
		return c, nil
	}
	if c, ok := g.bySession(r, now); ok {
		return c, nil
	}
	why := ""
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		c, err := g.byCertificate(r.TLS.PeerCertificates[0], now)
		if err == nil {
			return c, nil
		}
		why = ": " + err.Error()
	}
	return caller{}, &api.Error{
		Status: http.StatusUnauthorized, Code: api.CodeUnauthorised,
		Message: "expected a login, a client certificate of the station's CA, or a valid token" + why,
	}
}

// byCertificate says who shows a certificate. That the CA has signed it was found when the connection was made.
func (g *Guard) byCertificate(cert *x509.Certificate, now time.Time) (c caller, err error) {
	if now.After(cert.NotAfter) {
		return c, fmt.Errorf("the certificate of %s has expired", certid.Name(cert))
	}
	node := certid.NodeOf(cert)
	member := false
	var revoked bool
	var by fsm.Revoked
	g.node.View(func(s *fsm.State) {
		by, revoked = s.Access().RevokedBy(certid.Serial(cert), cert.Subject.CommonName, certid.IssuedAt(cert).UnixMilli())
		_, member = s.Node(node)
	})
	if revoked {
		return c, fmt.Errorf("the certificate of %s was revoked on %s", certid.Name(cert), time.UnixMilli(by.AtMs).UTC().Format(time.DateTime+" UTC"))
	}
	c.name, c.kind = certid.Name(cert), byCertificate
	switch role := certid.RoleOf(cert); {
	case node != "" && member:
		c.kind = byNode
	case role != "":
		c.role, err = fsm.ParseRole(role)
	case certid.Marked(cert):
		return c, fmt.Errorf("%s is no node of this station", c.name)
	default:
		c.role = unsaidRole
	}
	return c, err
}

// bearer is the hash of the token that a request has.
func bearer(r *http.Request) (sum [sha256.Size]byte, ok bool) {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return sha256.Sum256([]byte(secret)), strings.EqualFold(scheme, "Bearer") && secret != ""
}

// byToken says whose bearer token a request has.
func (g *Guard) byToken(r *http.Request, now time.Time) (caller, bool) {
	sum, ok := bearer(r)
	if !ok {
		return caller{}, false
	}
	if t, ok := findToken(g.fileTokens(), sum); ok {
		return caller{name: t.name, kind: byToken, role: t.role}, true
	}
	var t fsm.Token
	g.node.View(func(s *fsm.State) { t, ok = s.Access().Token(sum) }) // by its hash, so how long it takes says nothing of the token
	if !ok || t.Expired(now.UnixMilli()) {
		return caller{}, false
	}
	g.uses.mark(sum, t.UsedMs, now.UnixMilli(), tokenUseMs)
	return caller{name: t.Name, kind: byToken, role: t.Role}, true
}

// note counts a refusal, puts it into the audit, and logs it. Who isn't known is told by his address.
func (g *Guard) note(r *http.Request, c caller, reason error) {
	g.refused.Add(1)
	action := "api request"
	switch r.URL.Path {
	case LoginPath:
		action = "login"
	case TakePath:
		action = "go on with a session"
	}
	g.refusals.Add(action, "api:"+cmp.Or(c.name, hostOf(r.RemoteAddr)), r.Pattern, reason.Error())
	g.warnings.Warn("API request refused", "method", r.Method, "path", r.URL.Path, "client", r.RemoteAddr, "reason", reason)
}

// changes tells whether a request may change something.
func changes(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions
}

// sameOrigin refuses what another site's page may have had a browser send. A
// browser says with every POST where its page is from; what says nothing is a
// tool, such as curl, which nobody's page can steer.
func (g *Guard) sameOrigin(r *http.Request) error {
	check := http.NewCrossOriginProtection()
	if r.URL.Path == TakePath { // from the page of another node
		for _, address := range g.apis {
			if err := check.AddTrustedOrigin("https://" + address); err != nil {
				return fmt.Errorf("address of a node: %w", err)
			}
		}
	}
	if err := check.Check(r); err != nil {
		return rest.Forbidden("%v", err)
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
