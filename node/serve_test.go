package node

import (
	"log/slog"
	"net"
	"testing"

	"github.com/fepha/fepha/api/server"
	"github.com/fepha/fepha/api/server/trace"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/node/rollout"
	"github.com/fepha/fepha/replica"
)

// configuredNode is a node that knows its configuration and nothing else.
type configuredNode struct {
	server.Node
	id    string
	state *fsm.State
}

func (n configuredNode) View(read func(*fsm.State))                   { read(n.state) }
func (n configuredNode) Info() replica.Info                           { return replica.Info{ID: n.id} }
func (n configuredNode) ProposeAsync(*fsmpb.Command) replica.Proposal { return nil } // who traced is in the audit

// serveStation serves the API of such a node, as its configuration wants it,
// until the test ends. It returns the URL.
func serveStation(t *testing.T, s *configs.Station, id string, tracer *trace.Tracer) string {
	t.Helper()
	node := configuredNode{id: id, state: fsm.New()}
	node.state.Apply(1, &fsmpb.Entry{Commands: []*fsmpb.Command{{Op: &fsmpb.Command_Configure{Configure: rollout.Declaration(s)}}}})
	cfg := apiConfig(newCurrent(s, slog.New(slog.DiscardHandler)), nil, nil)
	cfg.Node, cfg.Tracer = node, tracer
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := server.New(cfg)
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
	if cfg.Security != nil {
		return "https://" + l.Addr().String()
	}
	return "http://" + l.Addr().String()
}
