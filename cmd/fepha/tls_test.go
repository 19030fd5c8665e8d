package main

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/configs"
)

func TestTLSInitServesEachNode(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, configs.Examples); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "examples", "secured", "station.yaml")
	keys := filepath.Join(dir, "keys")
	out, _ := fepha(t, cli.ExitDone, "tls", "init", "--config", config, "--dir", keys)
	if got := strings.Count(out, "made"); got != 4 {
		t.Errorf("%d certificates made, want 4:\n%s", got, out)
	}
	station, err := configs.Load(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range station.Cluster.Nodes {
		pair, err := tls.LoadX509KeyPair(filepath.Join(keys, n.ID, "node.pem"), filepath.Join(keys, n.ID, "node-key.pem"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{n.ID, n.Address.Addr().String()} {
			if err := pair.Leaf.VerifyHostname(name); err != nil {
				t.Errorf("%s: %v", n.ID, err)
			}
		}
	}
	out, _ = fepha(t, cli.ExitDone, "tls", "init", "--config", config, "--dir", keys)
	if strings.Contains(out, "made") || strings.Count(out, "kept") != 4 {
		t.Errorf("a second run did not keep what was there:\n%s", out)
	}
	fepha(t, cli.ExitUsage, "tls", "init", "--dir", keys)
}
