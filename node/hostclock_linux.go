package node

import (
	"time"

	"golang.org/x/sys/unix"
)

func setSystemClock(t time.Time) error {
	at := unix.NsecToTimespec(t.UnixNano())
	return unix.ClockSettime(unix.CLOCK_REALTIME, &at)
}
