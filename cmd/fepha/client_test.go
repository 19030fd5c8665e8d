package main

import (
	"strings"
	"testing"
)

func TestClientFlags(t *testing.T) {
	dir := t.TempDir()
	for _, tc := range []struct {
		name  string
		flags clientFlags
		base  string
		token string
		fails string
	}{
		{"a URL", clientFlags{addr: "http://127.0.0.1:7310/"}, "http://127.0.0.1:7310", "", ""},
		{"an address", clientFlags{addr: "127.0.0.1:7310"}, "http://127.0.0.1:7310", "", ""},
		{"a token on this host", clientFlags{addr: "localhost:7310", token: "secret"}, "http://localhost:7310", "", ""},
		{"a token over TLS", clientFlags{addr: "https://10.0.0.1:7310", token: "secret"}, "https://10.0.0.1:7310", "secret", ""},
		{"a token in the clear", clientFlags{addr: "http://10.0.0.1:7310", token: "secret"}, "", "", "expected https"},
		{"another scheme", clientFlags{addr: "ftp://10.0.0.1:7310"}, "", "", "expected the URL"},
		{"no host", clientFlags{addr: "http://"}, "", "", "expected the URL"},
		{"no CA", clientFlags{addr: "10.0.0.1:7310", ca: dir + "/none.pem"}, "", "", "--ca"},
		{"a certificate without key", clientFlags{addr: "10.0.0.1:7310", cert: dir + "/me.pem"}, "", "", "both --cert and --key"},
		{"no certificate", clientFlags{addr: "10.0.0.1:7310", cert: dir + "/me.pem", key: dir + "/me-key.pem"}, "", "", "--cert"},
	} {
		c, err := tc.flags.client()
		if tc.fails != "" {
			if exitCode(err) != exitUsage || !strings.Contains(err.Error(), tc.fails) {
				t.Errorf("%s: %v, want %q", tc.name, err, tc.fails)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: a secret in: %v", tc.name, err)
			}
			continue
		}
		if err != nil || c.Base != tc.base || c.Token != tc.token {
			t.Errorf("%s: %+v, %v", tc.name, c, err)
		}
	}
}

// Whoever can't reach a node is told what to look at.
func TestUnreachableNode(t *testing.T) {
	_, stderr := fepha(t, exitFailed, "status", "--addr=127.0.0.1:1")
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
		if _, stderr := fepha(t, exitUsage, args...); !strings.Contains(stderr, "fepha: ") {
			t.Errorf("%s: %q", line, stderr)
		}
	}
}
