package cluster

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/fepha/fepha/cluster/internal/raftio"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/internal/certid"
)

// recheck is how long a node whose certificate is revoked may go on over a connection that is open.
const recheck = time.Second

// errRevoked: a node's certificate is out of force.
var errRevoked = errors.New("the certificate was revoked")

// revocation keeps out those whose certificates the state has revoked: at the handshake, and from connections that are open.
type revocation struct{ state *stateMachine }

// check refuses a certificate that is revoked, as far as this node has applied.
func (r *revocation) check(c *x509.Certificate) (err error) {
	r.state.view(func(s *fsm.State) {
		by, revoked := s.Access().RevokedBy(certid.Serial(c), c.Subject.CommonName, certid.IssuedAt(c).UnixMilli())
		if revoked {
			err = fmt.Errorf("%w: that of %s, on %s", errRevoked, certid.Name(c), time.UnixMilli(by.AtMs).UTC().Format(time.DateTime+" UTC"))
		}
	})
	return err
}

// run closes connections when something was revoked, until done is closed.
func (r *revocation) run(mux *raftio.Mux, done <-chan struct{}) {
	tick := time.NewTicker(recheck)
	defer tick.Stop()
	var seen uint64
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		var revision uint64
		r.state.view(func(s *fsm.State) { revision = s.Revisions().Access })
		if revision != seen {
			seen = revision
			mux.Recheck(r.check)
		}
	}
}
