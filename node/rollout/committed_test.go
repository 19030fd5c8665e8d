package rollout

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/fepha/fepha/configs"
)

// A node that can't write the files of the configuration in force runs it
// nevertheless, and writes them once it can.
func TestCompleteWithoutRoom(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, configs.Examples); err != nil {
		t.Fatal(err)
	}
	bundle, station, err := configs.ReadBundle(filepath.Join(dir, "examples", "station.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	octets, err := bundle.Encode()
	if err != nil {
		t.Fatal(err)
	}
	data, config := filepath.Join(dir, "data"), filepath.Join(dir, "etc", "station.yaml")
	if err := os.MkdirAll(filepath.Join(config, "in the way"), 0o755); err != nil { // as good as a full disk, whoever tests
		t.Fatal(err)
	}
	committed := &Committed{Digest: station.Digest(), Bundle: octets}
	if err := errors.Join(os.Mkdir(data, 0o755), committed.keep(data)); err != nil {
		t.Fatal(err)
	}
	instead, err := Complete(data, config)
	if err == nil || instead == nil {
		t.Fatalf("%v, %v", instead, err)
	}
	if s, err := instead.Load(config); err != nil || s.Digest() != station.Digest() {
		t.Errorf("what is run instead: %v", err)
	}

	left := filepath.Join(dir, "etc", ".rtu1.csv.1.tmp")
	if err := errors.Join(os.RemoveAll(config), os.WriteFile(left, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if instead, err := Complete(data, config); err != nil || instead != nil {
		t.Fatalf("%v, %v", instead, err)
	}
	if s, err := configs.Load(config); err != nil || s.Digest() != station.Digest() {
		t.Errorf("the files: %v", err)
	}
	for _, gone := range []string{left, filepath.Join(data, committedFile)} {
		if _, err := os.Stat(gone); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", gone, err)
		}
	}
}
