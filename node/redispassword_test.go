package node

import (
	"os"
	"path/filepath"
	"testing"
)

// The embedded Redis of a station with keys never answers without a password: if none is named, it has one of its own, and keeps it.
func TestOwnRedisPassword(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	read := func() string {
		t.Helper()
		path, err := ownRedisPassword(dir)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%v, %v", info, err)
		}
		text, err := os.ReadFile(path)
		if err != nil || len(text) < 20 {
			t.Fatalf("%q, %v", text, err)
		}
		return string(text)
	}
	if first := read(); read() != first {
		t.Error("another password at the next start")
	}
}
