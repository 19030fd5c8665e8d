package syslog

import (
	"net"

	"golang.org/x/sys/unix"
)

// unacknowledged is how many octets written to a connection the peer's TCP has not acknowledged (tcp(7), SIOCOUTQ).
func unacknowledged(c *net.TCPConn) (n int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	if e := raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }); e != nil {
		return 0, e
	}
	return n, err
}
