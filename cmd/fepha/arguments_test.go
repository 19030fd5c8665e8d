package main

import (
	"strings"
	"testing"

	"github.com/fepha/fepha/cmd/fepha/internal/cli"
)

// Whoever can't reach a node is told what to look at.
func TestUnreachableNode(t *testing.T) {
	_, stderr := fepha(t, cli.ExitFailed, "status", "--addr=127.0.0.1:1")
	if !strings.Contains(stderr, "is the node running") {
		t.Errorf("%s", stderr)
	}
}

func TestArgumentsThatAreRefused(t *testing.T) {
	for _, line := range []string{
		"point get", "point get 1/di", "point get 1/di/x", "point list --limit=x",
		"control send 1/do/2", "control send 1-do-2 on", "trace rtu one", "trace", "uplink", "uplink show",
		"raft add fep2", "raft remove", "raft restore", "raft restore /none/there.snapshot", "raft snapshot a b",
		"raft recover", "raft recover --config=station.yaml --id=fep1", "config", "config import",
	} {
		args := append(strings.Fields(line), "--addr=127.0.0.1:1")
		if strings.HasPrefix(line, "config") {
			args = args[:len(args)-1]
		}
		if _, stderr := fepha(t, cli.ExitUsage, args...); !strings.Contains(stderr, "fepha: ") {
			t.Errorf("%s: %q", line, stderr)
		}
	}
}
