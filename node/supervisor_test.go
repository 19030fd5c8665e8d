package node

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// systemd gets no sign of life while the node doesn't go on, and is told why.
func TestNoSignOfLifeWithoutProgress(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	if err := socket.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "4000")
	looks := 0
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	progress := func() (string, error) {
		switch looks++; looks {
		case 2, 3, 4:
			return "", errors.New("storing an entry takes 2s")
		case 6:
			cancel()
		}
		return "leader", nil
	}
	if err := newSupervisor(slog.New(slog.DiscardHandler)).feed(ctx, progress); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"WATCHDOG=1\nSTATUS=leader", "STATUS=storing an entry takes 2s", "WATCHDOG=1\nSTATUS=leader", "WATCHDOG=1\nSTATUS=leader"} {
		b := make([]byte, 1024)
		n, err := socket.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(string(b[:n])); got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
}
