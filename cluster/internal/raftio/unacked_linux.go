package raftio

import (
	"net"
	"syscall"
	"time"
)

// tcpUserTimeout is TCP_USER_TIMEOUT of linux/tcp.h, which package syscall leaves out.
const tcpUserTimeout = 18

// limitUnacked has the kernel end a connection whose sent bytes stay unacknowledged for so long (RFC 5482). Without it a
// cut freezes a connection, and after some seconds of doubling timeouts it stays frozen for as long again.
func limitUnacked(conn net.Conn, limit time.Duration) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := sc.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(limit.Milliseconds()))
		})
	}
}
