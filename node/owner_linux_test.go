package node

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// What root makes in the data folder of the service's user is that user's afterwards.
func TestGiveBack(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir := t.TempDir()
	const user, group = 4711, 4712
	if err := os.MkdirAll(filepath.Join(dir, "snapshots", "1"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "snapshots", "1", "state.bin"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, user, group); err != nil {
		t.Fatal(err)
	}
	if err := giveBack(dir); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			if s := info.Sys().(*syscall.Stat_t); s.Uid != user || s.Gid != group {
				t.Errorf("%s is %d:%d's", path, s.Uid, s.Gid)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
