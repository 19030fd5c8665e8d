package rtdb

import (
	"crypto/rand"
	"strings"
	"sync"

	"github.com/alicebob/miniredis/v2"
	mini "github.com/alicebob/miniredis/v2/server"
)

// gate keeps the embedded server to what it is for: others read the view and put requests into ctl:req. Everything else, scripts
// above all, is refused, so that nobody fills the FEP's memory or writes what the view says.
type gate struct {
	server *miniredis.Miniredis
	name   string   // that this node's own connections give themselves; nobody else knows it
	own    sync.Map // *mini.Peer of each connection: whether it is this node's own
}

// Bounds of what others may put into ctl:req.
const (
	maxWaiting      = 1000 // requests that nobody has answered
	maxRequestSize  = 4096 // octets of one
	maxCommandSize  = 64 << 10
	maxRequestParts = 64
)

// reading are the commands that change nothing.
var reading = map[string]bool{}

func init() {
	for _, name := range strings.Fields(`AUTH HELLO PING ECHO QUIT SELECT COMMAND INFO TIME DBSIZE EXISTS TYPE TTL PTTL KEYS SCAN RANDOMKEY GET MGET
		STRLEN HGET HMGET HGETALL HEXISTS HKEYS HVALS HLEN HSTRLEN HSCAN XLEN XRANGE XREVRANGE XREAD XINFO`) {
		reading[name] = true
	}
}

func newGate(m *miniredis.Miniredis) *gate { return &gate{server: m, name: "fepha-" + rand.Text()} }

// hook sees each command before the server does; it returns true if it has answered it.
func (g *gate) hook(p *mini.Peer, command string, args ...string) bool {
	command = strings.ToUpper(command)
	own, known := g.own.Load(p)
	if !known {
		if p.Ctx != nil {
			return false // no connection, but a command of a script, which only this node runs
		}
		own = false
		g.own.Store(p, false)
		p.OnDisconnect(func() { g.own.Delete(p) })
	}
	size := 0
	for _, a := range args {
		size += len(a)
	}
	if command == "CLIENT" && len(args) == 2 && strings.EqualFold(args[0], "SETNAME") {
		if args[1] == g.name {
			g.own.Store(p, true)
		}
		return false
	}
	switch {
	case own.(bool):
		return false
	case size > maxCommandSize:
		p.WriteError("ERR too long")
	case reading[command], command == "CLIENT":
		return false
	case command != "XADD" || len(args) == 0 || args[0] != requestStream:
		p.WriteError("NOPERM others may read, and XADD " + requestStream)
	case len(args) < 2 || args[1] != "*": // an id of one's own may be the last one there can be; MAXLEN drops others' requests
		p.WriteError("ERR expected XADD " + requestStream + " * and the request's fields")
	case size > maxRequestSize || len(args) > maxRequestParts:
		p.WriteError("ERR too long for a request")
	case g.waiting() >= maxWaiting:
		p.WriteError("ERR too many requests wait: try again later")
	default:
		return false
	}
	return true
}

// waiting is how many entries ctl:req has.
func (g *gate) waiting() int {
	entries, err := g.server.Stream(requestStream)
	if err != nil {
		return 0 // there is none yet
	}
	return len(entries)
}
