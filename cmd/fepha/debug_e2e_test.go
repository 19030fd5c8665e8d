package main

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/fepha/internal/carecmd"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/configs"
)

// secretStation is a secured station with every secret that one can have, and what they are.
func secretStation(t *testing.T) (paths map[string]string, keys string, secrets map[string]string) {
	t.Helper()
	paths, keys = securedStation(t)
	secrets = map[string]string{
		"password of Redis": "redis-Xq81-secret", "password of an export": "export-Zu72-secret", "key of FNP": strings.Repeat("5ec7e7", 10) + "abcd",
	}
	for id, path := range paths {
		dir := filepath.Dir(path)
		fepha(t, cli.ExitDone, "tls", "token", "desk-"+id, "--role=engineer", "--tokens", filepath.Join(dir, "tokens.yaml"))
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.Replace(text, []byte("key: tls/node-key.pem}"), []byte("key: tls/node-key.pem, tokens: tokens.yaml} # admin's password: comment-Yw39-secret"), 1)
		text = regexp.MustCompile(`(?m)^redis:.*(\n +.*)*`).ReplaceAll(text, []byte("redis: {mode: embedded, password_file: redis.password}"))
		text = append(text, []byte("\nexports:\n  - {name: db, kind: postgres, url: \"postgres://fepha@127.0.0.1:9/fepha\", password_file: export.password}\n"+
			"fnp: {id: 900, listen: {fep1: \"127.0.0.1:17451\", fep2: \"127.0.0.1:17452\", wit: \"127.0.0.1:17453\"}, key_file: fnp.key}\n")...)
		for name, data := range map[string][]byte{
			"station.yaml": text, "redis.password": []byte(secrets["password of Redis"] + "\n"),
			"export.password": []byte(secrets["password of an export"] + "\n"), "fnp.key": []byte("1:" + secrets["key of FNP"] + "\n"),
		} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		key, err := os.ReadFile(filepath.Join(dir, "tls", "node-key.pem"))
		block, _ := pem.Decode(key)
		if err != nil || block == nil {
			t.Fatal(err)
		}
		secrets["key of "+id] = string(block.Bytes)
		tokens, err := os.ReadFile(filepath.Join(dir, "tokens.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		secrets["hash of the token in the file of "+id] = regexp.MustCompile(`[0-9a-f]{64}`).FindString(string(tokens))
	}
	secrets["comment"] = "comment-Yw39-secret"
	return paths, keys, secrets
}

// unzipped is what a zip file holds.
func unzipped(t *testing.T, path string) map[string][]byte {
	t.Helper()
	z, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	files := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if files[f.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
	}
	return files
}

// leaks finds secrets, as they are and in the forms in which programs write them.
func leaks(name string, data []byte, secrets map[string]string) (found []string) {
	for what, s := range secrets {
		for form, text := range map[string]string{"": s, "hex": hex.EncodeToString([]byte(s)), "base64": base64.StdEncoding.EncodeToString([]byte(s)), "raw": string(unhex(s))} {
			if text != "" && bytes.Contains(data, []byte(text)) {
				found = append(found, fmt.Sprintf("%s has the %s %s", name, what, form))
			}
		}
	}
	return found
}

func unhex(s string) []byte {
	raw, err := hex.DecodeString(s)
	if err != nil {
		return nil
	}
	return raw
}

// What leaves the house has all that a maintainer needs, also where a node is gone, and none of a station's secrets.
func TestDebugBundle(t *testing.T) {
	paths, keys, secrets := secretStation(t)
	station, err := configs.Load(paths["fep1"])
	if err != nil {
		t.Fatal(err)
	}
	nodes := map[string]*nodeProcess{}
	for id, path := range paths {
		nodes[id] = startNode(t, path, id)
	}
	ca, socket := "--ca="+filepath.Join(keys, "ca.pem"), "--addr=unix:"+filepath.Join(filepath.Dir(paths["fep1"]), "data-fep1", "admin.sock")
	url := func(id string) string { n, _ := station.Node(id); return "https://" + n.API.String() }
	succeeds := func(args ...string) bool {
		var out, errs strings.Builder
		return run(t.Context(), args, strings.NewReader(""), &out, &errs) == cli.ExitDone
	}
	until(t, "an owner", func() bool {
		var st api.Status
		var out, errs strings.Builder
		return run(t.Context(), []string{"status", socket, "--json"}, strings.NewReader(""), &out, &errs) == cli.ExitDone &&
			json.Unmarshal([]byte(out.String()), &st) == nil && len(st.RTUs) > 0 && st.RTUs[0].Owner != ""
	})
	secrets["password of a user"] = "user-Kd55-long-secret"
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(secrets["password of a user"]+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fepha(t, cli.ExitDone, "user", "add", "alice", "--role=admin", "--password-file="+password, socket)
	engineer := tokenOf(t, "maker", "engineer", socket)
	operator := tokenOf(t, "desk", "operator", socket)
	secrets["token of the engineer"], secrets["token of the operator"] = engineer, operator
	by := []string{"--addr=" + url("fep2"), ca, "--token=" + engineer}
	until(t, "fep2 to know the token", func() bool { return succeeds(append([]string{"status"}, by...)...) })
	secrets["session"] = logIn(t, trustOf(t, filepath.Join(keys, "ca.pem")), url("fep1"), "alice", secrets["password of a user"]).Value

	state := filepath.Join(t.TempDir(), "snapshot") // where the hashes of passwords and tokens are
	fepha(t, cli.ExitDone, "raft", "snapshot", state, socket)
	raw, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	if hash := regexp.MustCompile(`\$2[aby]\$[./0-9A-Za-z$]{50,}`).Find(raw); hash != nil {
		secrets["hash of a user's password"] = string(hash)
	} else {
		t.Log("no hash is seen in the snapshot, which is packed: that of bcrypt is looked for by its form")
	}

	fepha(t, cli.ExitFailed, "debug", "bundle", filepath.Join(t.TempDir(), "x.zip"), "--addr="+url("fep2"), ca, "--token="+operator)
	nodes["wit"].end(syscall.SIGKILL)
	file := filepath.Join(t.TempDir(), "bundle.zip")
	until(t, "a leader", func() bool { return succeeds(append([]string{"condition", "list"}, by...)...) })
	out, _ := fepha(t, cli.ExitDone, append([]string{"debug", "bundle", file, "--cpu=1"}, by...)...)
	if !strings.Contains(out, "wit") || !strings.Contains(out, "left out") {
		t.Errorf("it says\n%s", out)
	}
	files := unzipped(t, file)
	var m carecmd.Manifest
	if err := json.Unmarshal(files["manifest.json"], &m); err != nil {
		t.Fatal(err)
	}
	for _, n := range m.Nodes {
		if (n.Error != "") != (n.ID == "wit") {
			t.Errorf("%s: error %q", n.ID, n.Error)
		}
		if len(n.Missing) > 0 && n.ID != "wit" {
			t.Errorf("%s: missing %v", n.ID, n.Missing)
		}
	}
	for name, words := range map[string]string{
		"status.json": `"station":21`, "conditions.json": "conditions", "conditions-history.json": "", "raft.json": "term", "events.json": "", "audit.json": "alice",
		"metrics.txt": "fepha_", "log.txt": "node started", "goroutines.txt": "goroutine 1", "heap.pprof": "", "cpu.pprof": "", "frames.pcapng": "",
		"configuration/station.yaml": "password_file", "configuration/rtu1.csv": "ioa", "exports.json": "db", "fnp.json": "",
	} {
		for _, id := range []string{"fep1", "fep2"} {
			if data := files[id+"/"+name]; len(data) == 0 || !bytes.Contains(data, []byte(words)) {
				t.Errorf("%s/%s has %d octets, without %q", id, name, len(data), words)
			}
		}
	}
	bcrypt := regexp.MustCompile(`\$2[aby]\$\d\d\$`)
	for name, data := range files {
		for _, l := range leaks(name, data, secrets) {
			t.Error(l)
		}
		if bcrypt.Match(data) || bytes.Contains(data, []byte("PRIVATE KEY")) {
			t.Errorf("%s has a hash of a password, or a key", name)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	// The search finds what is there.
	if len(leaks("x", []byte("…"+secrets["key of FNP"]), secrets)) == 0 || len(leaks("x", unhex(secrets["key of FNP"]), secrets)) == 0 {
		t.Error("the search finds nothing")
	}
}
