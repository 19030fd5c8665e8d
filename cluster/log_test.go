package cluster

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/fepha/fepha/cluster/internal/clustertest"
	"github.com/fepha/fepha/cluster/internal/raftio"
	"github.com/fepha/fepha/fsm"
)

// TestLogOfATakeover is what the engineer reads: each change in the field's words, and nothing of Raft's.
func TestLogOfATakeover(t *testing.T) {
	journals := map[string]*clustertest.Log{"fep1": {}, "fep2": {}, "wit": {}}
	s := newStation(t, func(c *Config) { c.Logger = journals[c.ID].Logger(slog.LevelInfo) })
	s.lead("fep1")
	s.move(rtu1, "fep1")
	s.owned("fep1", rtu1).Close()
	s.fabric.isolate("fep1", s.others("fep1")...)
	s.owned("fep2", rtu1).Close()
	log := journals["fep2"]
	until(t, "fep2 says that fep1 doesn't answer", func() bool {
		return strings.Contains(log.String(), `level=WARN msg="node doesn't answer" peer=fep1`)
	})
	s.fabric.heal()
	until(t, "fep2 says that fep1 answers", func() bool {
		return strings.Contains(log.String(), `level=INFO msg="node answers again" peer=fep1`)
	})
	for node, lines := range map[string][]string{
		"fep1": {`msg="leading no more"`},
		"fep2": {
			`msg="the leader is silent" leader=fep1`, `msg="node is lost" peer=fep1`,
			`msg=deciding what="assign rtu/1 to fep2 (owner lost)"`, `msg="node doesn't answer" peer=fep1`, `msg="node answers again" peer=fep1`,
		},
		"wit": {`msg=leader leader=fep1`},
	} {
		for _, line := range lines {
			if !strings.Contains(journals[node].String(), line) {
				t.Errorf("%s doesn't say %s:\n%s", node, line, journals[node])
			}
		}
		if text := journals[node].String(); strings.Contains(text, "raft") || strings.Contains(text, "level=ERROR") {
			t.Errorf("%s:\n%s", node, text)
		}
	}
	if r := s.resource("fep2", fsm.RTUResource(1)); r.Owner != "fep2" {
		t.Errorf("%+v", r)
	}
}

// TestVoteOverAStaleConnection: a peer that was restarted has closed the connections in the pool, and still gives its
// answer in the same round.
func TestVoteOverAStaleConnection(t *testing.T) {
	s := newStation(t, nil)
	s.leader()
	tr := raftio.NewTransport(s.wire("wit"), raftio.TransportConfig{
		Address: "127.0.0.1:3", Clock: newClock(), Heartbeat: time.Second, Log: slog.New(slog.DiscardHandler),
	})
	defer func() { _ = tr.Close() }()
	address := raft.ServerAddress(s.nodes["fep2"].group.self.Address)
	header := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte("wit"), Addr: []byte("127.0.0.1:3")}
	for name, ask := range map[string]func() error{
		"pre-vote": func() error {
			return tr.RequestPreVote("fep2", address, &raft.RequestPreVoteRequest{RPCHeader: header}, new(raft.RequestPreVoteResponse))
		},
		"vote": func() error {
			return tr.RequestVote("fep2", address, &raft.RequestVoteRequest{RPCHeader: header}, new(raft.RequestVoteResponse))
		},
	} {
		if err := ask(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		s.stop("fep2")
		s.start("fep2")
		if err := ask(); err != nil {
			t.Errorf("%s after the peer's restart: %v", name, err)
		}
	}
}
