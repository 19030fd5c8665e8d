package node

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// giveBack gives what root has made in a folder to the folder's owner: the service's user couldn't start with it.
func giveBack(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	if os.Geteuid() != 0 || owner.Uid == 0 {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(owner.Uid), int(owner.Gid))
	})
}
