//go:build !linux

package disk

import "errors"

// Free is not known on other systems.
func Free(string) (uint64, error) { return 0, errors.ErrUnsupported }
