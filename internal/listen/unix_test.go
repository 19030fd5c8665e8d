package listen

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A socket is its owner's from the first moment; one that was left behind is replaced, and what is in use or no socket is not.
func TestUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := Unix(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := Unix(path); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("while somebody listens: %v", err)
	}
	l.SetUnlinkOnClose(false) // as if it was killed
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = Unix(path); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is left: %v", err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Unix(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("where a file is: %v", err)
	}
	if _, err := net.Dial("unix", path); err == nil {
		t.Error("a file answers")
	}
}
