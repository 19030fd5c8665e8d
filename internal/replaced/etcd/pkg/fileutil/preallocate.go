// Package fileutil has what raft-wal needs of the package of this name.
package fileutil

import (
	"errors"
	"os"
	"syscall"
)

// Preallocate gives a file room on the disk for so many octets from its beginning, or the disk's error. If extend is set
// the file then is that long. A file system that can't is only asked for the length.
func Preallocate(f *os.File, octets int64, extend bool) error {
	err := allocate(f, octets, extend)
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.EINVAL) {
		err = nil
		if extend {
			err = f.Truncate(octets)
		}
	}
	return err
}
