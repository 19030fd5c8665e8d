//go:build !linux

package watch

import "errors"

func freeSpace(string) (uint64, error) { return 0, errors.ErrUnsupported }

func clockSynchronised() (synchronised, known bool) { return false, false }
