package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/user"
	"strconv"

	"github.com/fepha/fepha/fsm"
)

// The socket in the data folder: whoever is root on this host, or the service's own user, does there what an admin does. So the
// first admin is made, and there is a way in when all passwords are lost. The folder's rights keep others away; the
// system says who has connected besides, in case the folder's are too wide.

// ServeLocal answers on a Unix socket until Close, and returns nil then.
func (s *Server) ServeLocal(l *net.UnixListener) error {
	if err := s.local.Serve(ownListener{l, s}); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("api on %v: %w", l.Addr(), err)
	}
	return nil
}

// ownListener accepts connections of root and of this process's own user.
type ownListener struct {
	*net.UnixListener
	server *Server
}

func (l ownListener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		uid, err := peerUID(c)
		if err == nil && (uid == 0 || uid == os.Geteuid()) {
			return localConn{c, uid}, nil
		}
		l.server.guard.refused.Add(1)
		l.server.cfg.Log.Warn("the data folder's socket refused a connection: expected root or the service's user", "uid", uid, "error", err)
		_ = c.Close()
	}
}

type localConn struct {
	net.Conn
	uid int
}

// localKey is under which a connection's context has its caller.
type localKey struct{}

func withLocal(ctx context.Context, c net.Conn) context.Context {
	if own, ok := c.(localConn); ok {
		name := "uid " + strconv.Itoa(own.uid)
		if u, err := user.LookupId(strconv.Itoa(own.uid)); err == nil {
			name = u.Username
		}
		return context.WithValue(ctx, localKey{}, caller{name: "local " + name, kind: byLocal, role: fsm.Admin})
	}
	return ctx
}

func localCaller(r *http.Request) (caller, bool) {
	c, ok := r.Context().Value(localKey{}).(caller)
	return c, ok
}
