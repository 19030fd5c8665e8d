//go:build !linux

package node

import (
	"errors"
	"time"
)

func setSystemClock(time.Time) error { return errors.ErrUnsupported }
