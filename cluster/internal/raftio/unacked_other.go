//go:build !linux

package raftio

import (
	"net"
	"time"
)

// limitUnacked is Linux's alone; elsewhere a connection that a cut froze ends with its RPC timeouts.
func limitUnacked(net.Conn, time.Duration) {}
