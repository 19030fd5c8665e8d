package raftio

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fepha/fepha/cluster/internal/clustertest"
)

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
		var j clustertest.Log
		tell(NewRaftLog(j.Logger(slog.LevelDebug), "raft", slog.LevelError).(*raftLog))
		if got := strings.TrimSpace(j.String()); got != want {
			t.Errorf("%s\nexpected %s", got, want)
		}
	}
}

func TestContacts(t *testing.T) {
	var now time.Duration
	var j clustertest.Log
	c := newContacts(func() time.Duration { return now }, 300*time.Millisecond, j.Logger(slog.LevelInfo))
	refused := fmt.Errorf("connecting: %w", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED})
	for _, step := range []struct {
		at   time.Duration
		err  error
		want string
	}{
		{0, nil, ""},
		{10 * time.Millisecond, refused, ""}, // once is nothing
		{300 * time.Millisecond, refused, ""},
		{310 * time.Millisecond, refused, `level=WARN msg="node doesn't answer" peer=fep1 for=300ms error="connecting: dial: connection refused"`},
		{700 * time.Millisecond, refused, ""}, // told already
		{900 * time.Millisecond, nil, `level=INFO msg="node answers again" peer=fep1 after=890ms`},
		{1000 * time.Millisecond, nil, ""},
		{1100 * time.Millisecond, io.EOF, ""},
		{1200 * time.Millisecond, nil, ""}, // too short to be told
		{1300 * time.Millisecond, errMuted, ""},
		{1700 * time.Millisecond, errMuted, `level=WARN msg="node refuses" peer=fep1 for=400ms error="this node has fallen silent"`},
	} {
		now = step.at
		j.Reset()
		c.note("fep1", step.err)
		if got := strings.TrimSpace(j.String()); got != step.want {
			t.Errorf("at %v: %s\nexpected %s", step.at, got, step.want)
		}
	}
}
