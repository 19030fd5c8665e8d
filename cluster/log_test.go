package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/fepha/fepha/fsm"
)

// journal is a log that a test reads.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// logger writes messages without their time.
func (j *journal) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

func TestRaftLog(t *testing.T) {
	for want, tell := range map[string]func(l *raftLog){
		`level=DEBUG msg="raft: heartbeat timeout reached, starting election" last-leader-id=fep1`: func(l *raftLog) {
			l.Warn("heartbeat timeout reached, starting election", "last-leader-id", "fep1")
		},
		`level=DEBUG msg="raft: failed to make requestVote RPC" target=fep1`: func(l *raftLog) {
			l.Error("failed to make requestVote RPC", "target", "fep1")
		},
		`level=DEBUG msg="raft: failed to heartbeat to" peer=fep1`: func(l *raftLog) { l.Error("failed to heartbeat to", "peer", "fep1") },
		`level=ERROR msg="raft: failed to take snapshot" error=full`: func(l *raftLog) {
			l.Error("failed to take snapshot", "error", errors.New("full"))
		},
		`level=DEBUG msg="raft: restored" id=7 size=9`: func(l *raftLog) { l.With("id", 7).Named("x").Info("restored", "size", 9) },
		``: func(l *raftLog) { l.Trace("everything") },
	} {
		var j journal
		tell(newRaftLog(j.logger(slog.LevelDebug), "raft", slog.LevelError).(*raftLog))
		if got := strings.TrimSpace(j.String()); got != want {
			t.Errorf("%s\nexpected %s", got, want)
		}
	}
}

func TestContacts(t *testing.T) {
	var now time.Duration
	var j journal
	c := newContacts(func() time.Duration { return now }, 300*ms, j.logger(slog.LevelInfo))
	refused := fmt.Errorf("connecting: %w", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED})
	for _, step := range []struct {
		at   time.Duration
		err  error
		want string
	}{
		{0, nil, ""},
		{10 * ms, refused, ""}, // once is nothing
		{300 * ms, refused, ""},
		{310 * ms, refused, `level=WARN msg="node doesn't answer" peer=fep1 for=300ms error="connecting: dial: connection refused"`},
		{700 * ms, refused, ""}, // told already
		{900 * ms, nil, `level=INFO msg="node answers again" peer=fep1 after=890ms`},
		{1000 * ms, nil, ""},
		{1100 * ms, io.EOF, ""},
		{1200 * ms, nil, ""}, // too short to be told
		{1300 * ms, errMuted, ""},
		{1700 * ms, errMuted, `level=WARN msg="node refuses" peer=fep1 for=400ms error="this node has fallen silent"`},
	} {
		now = step.at
		j.text.Reset()
		c.note("fep1", step.err)
		if got := strings.TrimSpace(j.String()); got != step.want {
			t.Errorf("at %v: %s\nexpected %s", step.at, got, step.want)
		}
	}
}

// TestLogOfATakeover is what the engineer reads: each change in the field's words, and nothing of Raft's.
func TestLogOfATakeover(t *testing.T) {
	journals := map[string]*journal{"fep1": {}, "fep2": {}, "wit": {}}
	s := newStation(t, func(c *Config) { c.Logger = journals[c.ID].logger(slog.LevelInfo) })
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
	clock := newClock()
	quiet := slog.New(slog.DiscardHandler)
	tr := newTransport(s.wire("wit"), "127.0.0.1:3", clock, newDiskWatch(clock, time.Second), newContacts(clock, time.Second, quiet), nil, nil)
	defer func() { _ = tr.Close() }()
	address := raft.ServerAddress(s.nodes["fep2"].self.Address)
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
