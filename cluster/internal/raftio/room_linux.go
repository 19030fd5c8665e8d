package raftio

import (
	"os"

	"golang.org/x/sys/unix"
)

// freeOf is how many octets of the disk that has dir may be written, and how large it is; 0, 0: not known.
func freeOf(dir string) (free, size int64) {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return 0, 0
	}
	return int64(s.Bavail) * s.Bsize, int64(s.Blocks) * s.Bsize
}

// setAside makes a file that has blocks and no content.
func setAside(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Fallocate(int(f.Fd()), 0, 0, size)
}
