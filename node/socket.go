package node

import (
	"context"
	"log/slog"
	"path/filepath"

	"github.com/fepha/fepha/api/server"
	"github.com/fepha/fepha/internal/listen"
)

// Socket is the path of the admin's way in on the node's own host, in its data folder; see api/README.md.
func Socket(dataDir string) string { return filepath.Join(dataDir, "admin.sock") }

// runSocket serves the API on the data folder's socket. The node can do without it: it's needed to make the first admin, and for
// those who have lost their passwords.
func runSocket(parts *parts, s *server.Server, dataDir string, log *slog.Logger) {
	path := Socket(dataDir)
	listener, err := listen.Unix(path)
	if err != nil {
		log.Error("no socket for the admin on this host", "path", path, "error", err)
		return
	}
	parts.run("socket", func(context.Context) error { return s.ServeLocal(listener) }, listener.Close)
}
