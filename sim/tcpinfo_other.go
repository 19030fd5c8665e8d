//go:build !linux

package sim

import (
	"errors"
	"net"
)

// octetsReceived is not to be had here, so no judge finds anything.
func octetsReceived(net.Conn) (uint64, error) { return 0, errors.ErrUnsupported }
