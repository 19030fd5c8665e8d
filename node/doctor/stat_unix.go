//go:build unix

package doctor

import (
	"os"
	"syscall"
)

func stat(path string) (fileFacts, error) {
	info, err := os.Stat(path)
	if err != nil {
		return fileFacts{}, err
	}
	s := info.Sys().(*syscall.Stat_t)
	return fileFacts{info.Mode(), int(s.Uid), int(s.Gid)}, nil
}
