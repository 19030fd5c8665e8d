package access

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// peerUID is the user that has connected to a Unix socket.
func peerUID(c *net.UnixConn) (uid int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	var cred *unix.Ucred
	var errCred error
	err = raw.Control(func(fd uintptr) { cred, errCred = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(err, errCred); err != nil {
		return -1, err
	}
	return int(cred.Uid), nil
}
