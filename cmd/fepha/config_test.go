package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fepha/fepha/configs"
)

// A wrong configuration ends the node with exit code 2 and a message that says
// where and what was expected. What else can be wrong is tested in configs.
func TestWrongConfigIsRefused(t *testing.T) {
	for _, tc := range []struct {
		name, file, old, new string
		want                 []string
	}{
		{"unknown key", "station.yaml", "log_store: boltdb", "log_stone: boltdb", []string{"station.yaml:", "log_stone"}},
		{"duplicate IOA", "rtu1.csv", "di,2,2,", "di,2,1,", []string{"rtu1.csv:3", "1"}},
		{"missing CSV", "station.yaml", "points: rtu2.csv", "points: rtu9.csv", []string{"station.yaml:", "rtu9.csv"}},
		{"port used twice", "station.yaml", "127.0.0.1:24141", "127.0.0.1:7301", []string{"station.yaml:", "7301"}},
		{"two nodes with one address", "station.yaml", "127.0.0.1:7302", "127.0.0.1:7301", []string{"station.yaml:", "7301"}},
		{"insecure beyond loopback", "station.yaml", "127.0.0.1:7303", "10.0.0.3:7303", []string{"station.yaml:", "10.0.0.3"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, configs.Examples); err != nil {
				t.Fatal(err)
			}
			dir = filepath.Join(dir, "examples")
			path := filepath.Join(dir, tc.file)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(b), tc.old) {
				t.Fatalf("%s has no %q", tc.file, tc.old)
			}
			if err := os.WriteFile(path, []byte(strings.Replace(string(b), tc.old, tc.new, 1)), 0o644); err != nil {
				t.Fatal(err)
			}
			_, stderr := fepha(t, exitUsage, "node", "--config", filepath.Join(dir, "station.yaml"), "--id", "fep1", "--data-dir", filepath.Join(dir, "data"))
			for _, want := range append(tc.want, "expected") {
				if !strings.Contains(stderr, want) {
					t.Errorf("message has no %q:\n%s", want, stderr)
				}
			}
		})
	}
}
