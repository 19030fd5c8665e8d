package main

import (
	"net"
	"testing"

	"github.com/fepha/fepha/api/server"
	"github.com/fepha/fepha/api/server/access"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// emptyNode is a node that knows its id and nothing else.
type emptyNode struct {
	server.Node
	id    string
	state *fsm.State
}

func (n emptyNode) View(read func(*fsm.State)) { read(n.state) }
func (n emptyNode) Info() replica.Info         { return replica.Info{ID: n.id} }

// ProposeAsync commits nothing: there is no group. What refusals are to be told of in the audit comes so.
func (n emptyNode) ProposeAsync(*fsmpb.Command) replica.Proposal { return noLeader{} }

// noLeader is what becomes of a proposal where nobody leads.
type noLeader struct{}

func (noLeader) Done() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}

func (noLeader) Result() (replica.Result, error) { return replica.Result{}, replica.ErrNoLeader }

// serveSecured serves the API of such a node, with the keys that its
// configuration names, until the test ends. It returns the URL.
func serveSecured(t *testing.T, s *configs.Station, id string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := server.New(server.Config{Node: emptyNode{id: id, state: fsm.New()}, Station: s.ID, Security: &access.Security{
		CA: s.Security.CA.Path, Cert: s.Security.Cert.Path, Key: s.Security.Key.Path, Tokens: s.Security.Tokens.Path,
	}})
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return "https://" + l.Addr().String()
}
