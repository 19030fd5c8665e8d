package node

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"github.com/fepha/fepha/api/server"
)

// socketName is the admin's way in on the node's own host; see api/README.md.
const socketName = "admin.sock"

// runSocket serves the API on the data folder's socket. The node can do without it: it's needed to make the first admin, and for
// those who have lost their passwords.
func runSocket(parts *parts, s *server.Server, dataDir string, log *slog.Logger) {
	path := filepath.Join(dataDir, socketName)
	listener, err := listenUnix(path)
	if err != nil {
		log.Error("no socket for the admin on this host", "path", path, "error", err)
		return
	}
	parts.run("socket", func(context.Context) error { return s.ServeLocal(listener) }, listener.Close)
}

// listenUnix listens for the folder's owner alone. What a process that was killed has left is taken away: the data folder is this
// process's own.
func listenUnix(path string) (*net.UnixListener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}
