package access

import (
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

// ListenLocal accepts connections of root and of this process's own user alone.
func (g *Guard) ListenLocal(l *net.UnixListener) net.Listener { return ownListener{l, g} }

type ownListener struct {
	*net.UnixListener
	guard *Guard
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
		l.guard.refused.Add(1)
		l.guard.log.Warn("the data folder's socket refused a connection: expected root or the service's user", "uid", uid, "error", err)
		_ = c.Close()
	}
}

type localConn struct {
	net.Conn
	uid int
}

// localKey is under which a connection's context has its caller.
type localKey struct{}

func (c localConn) caller() caller {
	name := "uid " + strconv.Itoa(c.uid)
	if u, err := user.LookupId(strconv.Itoa(c.uid)); err == nil {
		name = u.Username
	}
	return caller{name: "local " + name, kind: byLocal, role: fsm.Admin}
}

func localCaller(r *http.Request) (caller, bool) {
	c, ok := r.Context().Value(localKey{}).(caller)
	return c, ok
}
