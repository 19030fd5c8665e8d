package fileutil

import (
	"errors"
	"os"
	"syscall"
)

// keepSize is FALLOC_FL_KEEP_SIZE of fallocate(2).
const keepSize = 1

func allocate(f *os.File, octets int64, extend bool) error {
	var mode uint32 = keepSize
	if extend {
		mode = 0
	}
	for {
		err := syscall.Fallocate(int(f.Fd()), mode, 0, octets)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
