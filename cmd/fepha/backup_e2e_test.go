package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/configs"
)

// All three machines are lost: a station with what was in its backups comes up on three new ones, as docs/RECOVERY.md has it.
func TestRestoringABackupOnNewMachines(t *testing.T) {
	paths, keys := securedStation(t)
	backups := t.TempDir()
	passphrase := filepath.Join(t.TempDir(), "passphrase")
	put := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	copyAll := func(to, from string) {
		t.Helper()
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	put(passphrase, "a passphrase for the worst day\n")
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		put(path, string(text)+"\nbackup: {dir: \""+backups+"/{node}\", every: 1h, keep: 2, passphrase_file: backup.passphrase}\n")
		copied, err := os.ReadFile(passphrase)
		if err != nil {
			t.Fatal(err)
		}
		put(filepath.Join(filepath.Dir(path), "backup.passphrase"), string(copied))
	}
	station, err := configs.Load(paths["fep1"])
	if err != nil {
		t.Fatal(err)
	}
	url := func(id string) string { n, _ := station.Node(id); return "--addr=https://" + n.API.String() }
	socket := func(paths map[string]string, id string) string {
		return "--addr=unix:" + filepath.Join(filepath.Dir(paths[id]), "data-"+id, "admin.sock")
	}
	ca := "--ca=" + filepath.Join(keys, "ca.pem")
	status := func(by ...string) (st api.Status, ok bool) {
		var out, errs strings.Builder
		code := run(t.Context(), append([]string{"status", "--json"}, by...), strings.NewReader(""), &out, &errs)
		return st, code == cli.ExitDone && json.Unmarshal([]byte(out.String()), &st) == nil && st.Leader != ""
	}
	up := func(paths map[string]string) map[string]*nodeProcess {
		t.Helper()
		nodes := map[string]*nodeProcess{}
		for id, path := range paths {
			nodes[id] = startNode(t, path, id)
		}
		until(t, "a leader and owners", func() bool {
			st, ok := status(socket(paths, "fep1"))
			return ok && len(st.RTUs) > 0 && st.RTUs[0].Owner != ""
		})
		return nodes
	}
	nodes := up(paths)
	token := "--token=" + tokenOf(t, "desk", "engineer", socket(paths, "fep1"))
	until(t, "fep2 to know the token", func() bool { _, ok := status(url("fep2"), ca, token); return ok })

	// Each FEP has made one by itself at its start; one more by hand, with the token in it.
	put(filepath.Join(backups, "word"), "a long enough passphrase\n")
	fepha(t, cli.ExitDone, "user", "add", "alice", "--role=admin", "--password-file="+filepath.Join(backups, "word"), socket(paths, "fep1"))
	var made []struct {
		Node    string
		Backups []api.Backup
	}
	until(t, "a backup of both FEPs with alice", func() bool {
		out, _ := fepha(t, cli.ExitDone, "backup", "now", "--json", url("fep2"), ca, token)
		return json.Unmarshal([]byte(out), &made) == nil && len(made) == 2 && len(made[0].Backups) == 1 && len(made[1].Backups) == 1
	})
	out, _ := fepha(t, cli.ExitDone, "backup", "list", url("fep1"), ca, token)
	file := map[string]string{}
	for _, m := range made {
		file[m.Node] = m.Backups[0].Path
		if !strings.Contains(out, m.Backups[0].Path) {
			t.Errorf("the list has no %s:\n%s", m.Backups[0].Path, out)
		}
		said, _ := fepha(t, cli.ExitDone, "backup", "verify", m.Backups[0].Path, "--passphrase-file="+passphrase)
		if !strings.Contains(said, "It is whole") || !strings.Contains(said, "the passphrase opens them") || !strings.Contains(said, "configuration/station.yaml") {
			t.Errorf("verify says\n%s", said)
		}
	}
	fepha(t, cli.ExitDone, "user", "add", "bob", "--role=viewer", "--password-file="+filepath.Join(backups, "word"), socket(paths, "fep1"))
	for _, n := range nodes {
		n.end(syscall.SIGKILL)
	}

	// Three new machines, with what is in the backups, and the witness's keys from the folder of `fepha tls init`.
	fresh := map[string]string{}
	restored := filepath.Join(t.TempDir(), "restored")
	fepha(t, cli.ExitDone, "backup", "extract", file["fep1"], restored, "--passphrase-file="+passphrase)
	second := filepath.Join(t.TempDir(), "restored")
	fepha(t, cli.ExitDone, "backup", "extract", file["fep2"], second, "--passphrase-file="+passphrase)
	for id := range paths {
		dir := filepath.Join(t.TempDir(), id)
		copyAll(dir, filepath.Join(restored, "configuration"))
		switch id {
		case "fep1":
			copyAll(filepath.Join(dir, "tls"), filepath.Join(restored, "keys", "tls"))
		case "fep2":
			copyAll(filepath.Join(dir, "tls"), filepath.Join(second, "keys", "tls"))
		default:
			copyAll(filepath.Join(dir, "tls"), filepath.Join(keys, id))
			if err := os.Chmod(filepath.Join(dir, "tls", "node-key.pem"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		put(filepath.Join(dir, "backup.passphrase"), "a passphrase for the worst day\n")
		fresh[id] = filepath.Join(dir, "station.yaml")
	}
	up(fresh)
	until(t, "the state of the backup to be in force", func() bool {
		st, ok := status(socket(fresh, "fep1"))
		if !ok {
			return false
		}
		var out, errs strings.Builder
		return run(t.Context(), []string{"raft", "restore", "--yes", filepath.Join(restored, "state.snapshot"), socket(fresh, st.Leader)}, strings.NewReader(""), &out, &errs) == cli.ExitDone
	})
	for id := range fresh {
		until(t, id+" to know the token of before", func() bool { _, ok := status(url(id), ca, token); return ok })
	}
	until(t, "owners", func() bool {
		st, ok := status(url("wit"), ca, token)
		return ok && st.Quorum && len(st.RTUs) == 2 && st.RTUs[0].Owner != "" && st.RTUs[1].Owner != ""
	})
	users, _ := fepha(t, cli.ExitDone, "user", "list", socket(fresh, "fep1"))
	if !strings.Contains(users, "alice") || strings.Contains(users, "bob") {
		t.Errorf("users:\n%s", users)
	}
	until(t, "a backup of the new machines", func() bool {
		var out, errs strings.Builder
		return run(t.Context(), []string{"backup", "now", url("fep1"), ca, token}, strings.NewReader(""), &out, &errs) == cli.ExitDone
	})
}
