package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/configs"
)

// Who may what is in force on all nodes at once, and is not lost with one: three nodes with TLS, from no user at all.
func TestUsersTokensAndRoles(t *testing.T) {
	configPaths, keys := securedStation(t)
	nodes := map[string]*nodeProcess{}
	urls := map[string]string{}
	station, err := configs.Load(configPaths["fep1"])
	if err != nil {
		t.Fatal(err)
	}
	for id, config := range configPaths {
		n, _ := station.Node(id)
		urls[id] = "https://" + n.API.String()
		nodes[id] = startNode(t, config, id)
	}
	ca := "--ca=" + filepath.Join(keys, "ca.pem")
	socket := "--addr=unix:" + filepath.Join(filepath.Dir(configPaths["fep1"]), "data-fep1", "admin.sock")
	inNode := func(id string) string { return "--addr=" + urls[id] }
	works := func(args ...string) bool {
		var out, errs strings.Builder
		return run(t.Context(), args, strings.NewReader(""), &out, &errs) == cli.ExitDone
	}
	until(t, "an owner", func() bool {
		var st api.Status
		var out, errs strings.Builder
		return run(t.Context(), []string{"status", socket, "--json"}, strings.NewReader(""), &out, &errs) == cli.ExitDone &&
			json.Unmarshal([]byte(out.String()), &st) == nil && len(st.RTUs) > 0 && st.RTUs[0].Owner != ""
	})

	// The first admin, on the node's own host; nobody had a way in before.
	fepha(t, cli.ExitFailed, "status", inNode("fep1"), ca)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("a long enough passphrase\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fepha(t, cli.ExitDone, "user", "add", "alice", "--role=admin", "--password-file="+password, socket)
	admin := tokenOf(t, "admin-tool", "admin", socket)

	for id := range nodes {
		until(t, id+" to know the admin's token", func() bool { return works("user", "list", inNode(id), ca, "--token="+admin) })
	}

	// What one node was told is in force on the others.
	fepha(t, cli.ExitDone, "user", "add", "bob", "--role=viewer", "--password-file="+password, inNode("fep2"), ca, "--token="+admin)
	viewer := tokenOf(t, "screen", "viewer", inNode("fep2"), ca, "--token="+admin)
	operator := tokenOf(t, "desk", "operator", inNode("fep2"), ca, "--token="+admin)
	for id := range nodes {
		until(t, id+" to know the viewer", func() bool { return works("status", inNode(id), ca, "--token="+viewer) })
		until(t, id+" to know the operator", func() bool { return works("status", inNode(id), ca, "--token="+operator) })
	}
	trust := trustOf(t, filepath.Join(keys, "ca.pem"))
	session := logIn(t, trust, urls["wit"], "bob", "a long enough passphrase") // made on fep2
	for id := range nodes {
		until(t, id+" to know bob's session", func() bool { return statusBy(t, trust, urls[id], session) == http.StatusOK })
	}

	fepha(t, cli.ExitFailed, "rtu", "pin", "1", "--to=fep1", inNode("wit"), ca, "--token="+viewer)
	fepha(t, cli.ExitDone, "rtu", "pin", "1", "--to=fep1", inNode("wit"), ca, "--token="+operator)
	fepha(t, cli.ExitFailed, "user", "list", inNode("fep1"), ca, "--token="+operator)

	// Revoked on one, refused on all.
	fepha(t, cli.ExitDone, "token", "revoke", "screen", inNode("fep1"), ca, "--token="+admin)
	for id := range nodes {
		until(t, id+" to refuse the revoked token", func() bool { return !works("status", inNode(id), ca, "--token="+viewer) })
		fepha(t, cli.ExitDone, "status", inNode(id), ca, "--token="+operator)
	}

	// The leader dies: the others know the users as it did.
	leader := func(id string) string {
		var raft api.RaftStatus
		out, _ := fepha(t, cli.ExitDone, "raft", "status", inNode(id), ca, "--token="+operator, "--json")
		if err := json.Unmarshal([]byte(out), &raft); err != nil {
			t.Fatal(err)
		}
		return raft.Leader
	}
	dead := leader("wit")
	if nodes[dead] == nil {
		t.Fatalf("leader %q", dead)
	}
	nodes[dead].end(syscall.SIGKILL)
	delete(nodes, dead)
	for id := range nodes {
		until(t, id+" to know another leader", func() bool { l := leader(id); return l != "" && l != dead })
		list, _ := fepha(t, cli.ExitDone, "user", "list", inNode(id), ca, "--token="+admin)
		if !strings.Contains(list, "alice") || !strings.Contains(list, "bob") {
			t.Errorf("%s lists\n%s", id, list)
		}
		if statusBy(t, trust, urls[id], session) != http.StatusOK {
			t.Errorf("%s has forgotten bob's session", id)
		}
		again := logIn(t, trust, urls[id], "bob", "a long enough passphrase")
		until(t, id+" to know bob's new session", func() bool { return statusBy(t, trust, urls[id], again) == http.StatusOK })
		if works("status", inNode(id), ca, "--token="+viewer) {
			t.Errorf("%s lets the revoked token in again", id)
		}
	}
}

// tokenOf makes a token by the tool and returns its secret.
func tokenOf(t *testing.T, name, role string, by ...string) string {
	t.Helper()
	out, _ := fepha(t, cli.ExitDone, append([]string{"token", "create", name, "--role=" + role}, by...)...)
	return strings.TrimSpace(out)
}

// securedStation is the example on free ports of loopback with keys, a folder for each node as on hosts of their own.
func securedStation(t *testing.T) (paths map[string]string, keys string) {
	t.Helper()
	config := loopbackStation(t)
	keys = filepath.Join(t.TempDir(), "tls")
	fepha(t, cli.ExitDone, "tls", "init", "--config", config, "--dir", keys)
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("{insecure: true}"), []byte("{ca: tls/ca.pem, cert: tls/node.pem, key: tls/node-key.pem}"), 1)
	paths = map[string]string{}
	for _, id := range []string{"fep1", "fep2", "wit"} {
		dir := filepath.Join(t.TempDir(), id)
		for from, to := range map[string]string{filepath.Dir(config): dir, filepath.Join(keys, id): filepath.Join(dir, "tls")} {
			if err := os.CopyFS(to, os.DirFS(from)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(filepath.Join(dir, "tls", "node-key.pem"), 0o600); err != nil {
			t.Fatal(err)
		}
		paths[id] = filepath.Join(dir, "station.yaml")
		if err := os.WriteFile(paths[id], text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return paths, keys
}

// trustOf is a client that trusts a CA, and keeps no connection.
func trustOf(t *testing.T, ca string) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
}

// logIn opens a session as a browser does.
func logIn(t *testing.T, c *http.Client, url, name, password string) *http.Cookie {
	t.Helper()
	body, err := json.Marshal(api.LoginRequest{Name: name, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Post(url+"/v1/login", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || len(resp.Cookies()) != 1 {
		t.Fatalf("the login of %s at %s: %s", name, url, resp.Status)
	}
	return resp.Cookies()[0]
}

// statusBy asks for the status with a session, and returns the answer's code; 0: there was none.
func statusBy(t *testing.T, c *http.Client, url string, session *http.Cookie) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/v1/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(session)
	resp, err := c.Do(r)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}
