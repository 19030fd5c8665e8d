package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/fepha/fepha/internal/testneeds"
)

// mount mounts an image, and gives up where that can't be.
func mount(t *testing.T, image string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if out, err := exec.Command("mount", "-o", "loop", image, dir).CombinedOutput(); err != nil {
		testneeds.Met(t, fmt.Errorf("mount: %w: %s", err, out))
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}

// What is on the disk in the moment in which a call returns is what a power cut right then would leave.
func TestPowerCut(t *testing.T) {
	if os.Getuid() != 0 {
		testneeds.Met(t, errors.New("needs root, to mount a file system"))
	}
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 16<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", image).CombinedOutput(); err != nil {
		testneeds.Met(t, fmt.Errorf("mkfs.ext4: %w: %s", err, out))
	}
	dir := mount(t, image)
	afterCut := func(name string) string {
		t.Helper()
		disk, err := os.ReadFile(image)
		if err != nil {
			t.Fatal(err)
		}
		cut := filepath.Join(t.TempDir(), "cut")
		if err := os.WriteFile(cut, disk, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(mount(t, cut), name))
		if err != nil {
			t.Error(err)
		}
		return string(got)
	}
	for _, text := range []string{"first", "second"} {
		if err := Write(filepath.Join(dir, "file"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := afterCut("file"); got != text {
			t.Errorf("Write: %q after the cut, want %q", got, text)
		}
	}
	if err := WriteAll(map[string][]byte{filepath.Join(dir, "deep", "er", "file"): []byte("third")}); err != nil {
		t.Fatal(err)
	}
	if got := afterCut("deep/er/file"); got != "third" {
		t.Errorf("WriteAll: %q after the cut, want %q", got, "third")
	}
}
