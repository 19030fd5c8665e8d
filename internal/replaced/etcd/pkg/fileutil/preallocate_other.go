//go:build !linux

package fileutil

import (
	"os"
	"syscall"
)

func allocate(*os.File, int64, bool) error { return syscall.EOPNOTSUPP }
