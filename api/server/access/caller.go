package access

import (
	"context"
	"crypto/sha256"
	"net/http"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/fsm"
)

// The kinds of callers.
const (
	byUser        = "user"        // a session of theirs
	byToken       = "token"       // of the state, or of this node's file
	byCertificate = "certificate" // of the station's CA
	byNode        = "node"        // the certificate of a member
	byLocal       = "local"       // on this host: of an insecure station, or through the data folder's socket
)

// caller is who asks.
type caller struct {
	name    string
	kind    string
	role    fsm.Role          // of a node: none
	session [sha256.Size]byte // of a user's
}

// String is the name as it stands in logs and in the journal.
func (c caller) String() string { return c.name }

func (c caller) reply() api.Caller {
	out := api.Caller{Name: c.name, Kind: c.kind, Role: c.role.String()}
	if c.kind == byNode {
		out.Role = byNode
	}
	return out
}

// may tells whether the caller may use a route; if not, the error says what is missing.
func (c caller) may(to Rule) error {
	switch {
	case c.kind == byNode && to.Nodes, c.kind == byLocal:
		return nil
	case c.kind == byNode:
		return rest.Forbidden("the certificate of node %s is for what nodes ask each other: expected one made by 'fepha tls client', a token or a login", c.name)
	case to.Only:
		return rest.Forbidden("expected the certificate of a node: only nodes ask each other for this")
	case c.role < to.Role:
		return rest.Forbidden("%s is %s, and this is for %s", c.name, c.role, to.Role)
	}
	return nil
}

// callerKey is under which a request's context has who calls.
type callerKey struct{}

func withCaller(ctx context.Context, c caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// callerOf is who calls.
func callerOf(r *http.Request) caller {
	c, _ := r.Context().Value(callerKey{}).(caller)
	return c
}

// maxOrigin is what an origin may have, octets.
const maxOrigin = 200

// OriginOf is who asks, as it stands in the journal.
func OriginOf(r *http.Request) string { return rest.Clip("api:"+callerOf(r).name, maxOrigin) }

// RequesterOf is who asks, as a control has it: whose share of the controls it takes.
func RequesterOf(r *http.Request) string { return rest.Clip("api "+callerOf(r).name, maxOrigin) }
