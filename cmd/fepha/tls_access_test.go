package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/configs"
)

// From no keys at all to a person who uses the API: every step as the help says.
func TestLettingPeopleIn(t *testing.T) {
	dir := exampleStation(t)
	config := filepath.Join(dir, "station.yaml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	secured := strings.Replace(string(text), "{insecure: true}", "{ca: tls/fep1/ca.pem, cert: tls/fep1/node.pem, key: tls/fep1/node-key.pem, tokens: tokens.yaml}", 1)
	if err := os.WriteFile(config, []byte(secured), 0o644); err != nil {
		t.Fatal(err)
	}
	keys, tokens := filepath.Join(dir, "tls"), filepath.Join(dir, "tokens.yaml")
	fepha(t, cli.ExitDone, "tls", "init", "--config", config, "--dir", keys)
	fepha(t, cli.ExitDone, "tls", "client", "alice", "--dir", keys)
	out, _ := fepha(t, cli.ExitDone, "tls", "token", "bob", "--tokens", tokens)
	bob := strings.TrimSpace(out)

	station, err := configs.Load(config)
	if err != nil {
		t.Fatal(err)
	}
	url := "--addr=" + serveSecured(t, station, "fep1")
	ca := "--ca=" + filepath.Join(keys, "ca.pem")
	alice := filepath.Join(keys, "clients", "alice")
	fepha(t, cli.ExitDone, "status", url, "--ca="+filepath.Join(alice, "ca.pem"), "--cert="+filepath.Join(alice, "client.pem"), "--key="+filepath.Join(alice, "client-key.pem"))
	fepha(t, cli.ExitDone, "status", url, ca, "--token="+bob)
	t.Setenv("FEPHA_TOKEN", bob)
	fepha(t, cli.ExitDone, "status", url, ca)
	t.Setenv("FEPHA_TOKEN", "")

	if _, stderr := fepha(t, cli.ExitFailed, "status", url, ca); !strings.Contains(stderr, "--token") {
		t.Errorf("without credentials: %s", stderr)
	}
	if _, stderr := fepha(t, cli.ExitFailed, "status", url, "--token="+bob); !strings.Contains(stderr, "is --ca the station's CA") || strings.Contains(stderr, bob) {
		t.Errorf("without the CA: %s", stderr)
	}
	if _, stderr := fepha(t, cli.ExitFailed, "status", strings.Replace(url, "https:", "http:", 1)); !strings.Contains(stderr, "HTTPS server") {
		t.Errorf("without TLS: %s", stderr)
	}

	// A token that was taken out is worth nothing at once.
	out, _ = fepha(t, cli.ExitDone, "tls", "token", "carol", "--tokens", tokens)
	carol := strings.TrimSpace(out)
	fepha(t, cli.ExitDone, "status", url, ca, "--token="+carol)
	content, err := os.ReadFile(tokens)
	if err != nil || strings.Contains(string(content), bob) || strings.Contains(string(content), carol) {
		t.Fatalf("%v: %s", err, content)
	}
	if err := os.WriteFile(tokens, content[strings.LastIndex(string(content), "- "):], 0o644); err != nil {
		t.Fatal(err)
	}
	fepha(t, cli.ExitFailed, "status", url, ca, "--token="+bob)
	fepha(t, cli.ExitDone, "status", url, ca, "--token="+carol)
}

func TestLettingPeopleInIsRefused(t *testing.T) {
	dir := exampleStation(t)
	keys, tokens := filepath.Join(dir, "tls"), filepath.Join(dir, "tokens.yaml")
	fepha(t, cli.ExitFailed, "tls", "client", "alice", "--dir", keys) // no CA yet
	fepha(t, cli.ExitDone, "tls", "init", "--config", filepath.Join(dir, "station.yaml"), "--dir", keys)
	fepha(t, cli.ExitDone, "tls", "client", "alice", "--dir", keys)
	for _, args := range [][]string{
		{"client"}, {"client", "bob"}, {"client", "fep1", "--dir", keys}, {"client", "../x", "--dir", keys}, {"client", "", "--dir", keys},
		{"token"}, {"token", "bob"}, {"token", "", "--tokens", tokens},
	} {
		fepha(t, cli.ExitUsage, append([]string{"tls"}, args...)...)
	}
	fepha(t, cli.ExitFailed, "tls", "client", "alice", "--dir", keys) // its key is hers
	fepha(t, cli.ExitDone, "tls", "token", "bob", "--tokens", tokens)
	fepha(t, cli.ExitUsage, "tls", "token", "bob", "--tokens", tokens)
	if err := os.WriteFile(tokens, []byte("bob"), 0o644); err != nil {
		t.Fatal(err)
	}
	fepha(t, cli.ExitUsage, "tls", "token", "carol", "--tokens", tokens)
	if content, err := os.ReadFile(tokens); err != nil || string(content) != "bob" {
		t.Errorf("%v: %s", err, content)
	}
}
