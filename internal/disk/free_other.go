//go:build !linux

package disk

import "errors"

// Room is not known on other systems.
func Room(string) (free, size uint64, err error) { return 0, 0, errors.ErrUnsupported }
