//go:build !linux

package raftio

import "errors"

// freeOf is Linux's alone; elsewhere it's not known.
func freeOf(string) (free, size int64) { return 0, 0 }

func setAside(string, int64) error { return errors.ErrUnsupported }
