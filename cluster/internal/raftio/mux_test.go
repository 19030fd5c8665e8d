package raftio

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen at last.
const patience = 30 * time.Second

func newTestMux(t *testing.T, secured *TLS, timeout time.Duration) *Mux {
	t.Helper()
	m, err := NewMux(MuxConfig{Address: "127.0.0.1:0", Network: TCP(time.Second), TLS: secured, Timeout: timeout, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// TestStrangers: what isn't a node's connection is closed, and many of them don't keep nodes out.
func TestStrangers(t *testing.T) {
	m := newTestMux(t, nil, 50*time.Millisecond)
	dial := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", m.GRPC().Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(patience))
		return conn
	}
	closed := func(conn net.Conn, who string) {
		t.Helper()
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v; expected to be closed", who, err)
		}
	}
	rude := dial()
	if _, err := rude.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	closed(rude, "a browser")
	for range 2 * unsorted.Strangers {
		dial()
	}
	closed(dial(), "one that says nothing")
	node := dial()
	if _, err := node.Write([]byte{OctetRaft, 'x'}); err != nil {
		t.Fatal(err)
	}
	select {
	case conn := <-m.raft:
		buf := make([]byte, 2)
		if n, err := conn.Read(buf); err != nil || string(buf[:n]) != "x" {
			t.Errorf("%q, %v; expected what follows the first octet", buf[:n], err)
		}
	case <-time.After(patience):
		t.Error("a node isn't let in")
	}
}

// A member that takes its time, on a slow line, is let in whatever number of strangers comes meanwhile; and they are a few
// lines in the log.
func TestMembersFirst(t *testing.T) {
	var log bytes.Buffer
	m, err := NewMux(MuxConfig{
		Address: "127.0.0.1:0", Network: TCP(time.Second), Timeout: patience, Log: slog.New(slog.NewTextHandler(&log, nil)),
		IsMember: func(a netip.Addr) bool { return a == netip.MustParseAddr("127.0.0.1") },
	})
	if err != nil {
		t.Fatal(err)
	}
	dial := func(from string) net.Conn {
		t.Helper()
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", m.GRPC().Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(patience))
		return conn
	}
	member := dial("127.0.0.1")
	for i := range 300 {
		stranger := dial(fmt.Sprintf("127.0.0.%d", 2+i%8))
		if i%2 == 0 { // the others say nothing
			_, _ = stranger.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
			_, _ = stranger.Read(make([]byte, 1)) // until it is closed
		}
	}
	if _, err := member.Write([]byte{OctetRaft, 'x'}); err != nil {
		t.Fatal(err)
	}
	select {
	case conn := <-m.raft:
		_ = conn.Close()
	case <-time.After(patience):
		t.Error("the member isn't let in")
	}
	m.Close()
	if lines := strings.Count(log.String(), "\n"); lines == 0 || lines > 40 {
		t.Errorf("150 refusals are %d lines", lines)
	}
}
