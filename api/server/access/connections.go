package access

import (
	"context"
	"crypto/tls"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/fepha/fepha/internal/slots"
)

// connections is how many there may be at once, from the station's nodes and
// once more from all other addresses: so whoever floods the API takes neither
// the file descriptors that the devices' links need, nor what the nodes need to
// reach each other. A browser fetches the page over six connections.
var connections = slots.Limits{Strangers: 64, OfAnAddress: 24, Known: 160, KnownOfAddress: 64}

// slotted gives each connection of a listener a stranger's slot.
type slotted struct {
	net.Listener
	slots *slots.Slots
}

// newSlots knows nodes by the addresses of their APIs.
func newSlots(apis map[string]string) *slots.Slots {
	nodes := map[netip.Addr]bool{}
	for _, api := range apis {
		if a, err := netip.ParseAddrPort(api); err == nil {
			nodes[a.Addr().Unmap()] = true
		}
	}
	return slots.New(connections, func(a netip.Addr) bool { return nodes[a] })
}

func (l *slotted) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &slottedConn{raw, l.slots.Enter(raw, func() { _ = raw.Close() })}, nil
}

// slottedConn gives its slot back when it is closed.
type slottedConn struct {
	net.Conn
	slot *slots.Slot
}

func (c *slottedConn) Close() error {
	c.slot.Leave()
	return c.Conn.Close()
}

// slotKey is under which a connection's context has its slot.
type slotKey struct{}

// ConnContext is that of a server whose listeners are a guard's.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	if secured, ok := c.(*tls.Conn); ok {
		c = secured.NetConn()
	}
	switch c := c.(type) {
	case *slottedConn:
		return context.WithValue(ctx, slotKey{}, c.slot)
	case localConn:
		return context.WithValue(ctx, localKey{}, c.caller())
	}
	return ctx
}

// StrangersClosed is how many connections were closed for others whose callers had not shown who they are.
func (g *Guard) StrangersClosed() uint64 { return g.slots.Closed() }

// keep lets a connection stay after its request, since who calls has shown who
// he is. All others end with their answer.
func keep(w http.ResponseWriter, r *http.Request) {
	slot, ok := r.Context().Value(slotKey{}).(*slots.Slot)
	if !ok || slot.Know() { // on the data folder's socket there are no slots
		w.Header().Del("Connection")
	}
}

// ErrorLog takes what net/http says of connections that fail, which whoever may connect can cause.
func (g *Guard) ErrorLog() *log.Logger { return log.New(errorLog{g.warnings}, "", 0) }

type errorLog struct{ log *slog.Logger }

func (e errorLog) Write(line []byte) (int, error) {
	e.log.Debug("API connection failed", "error", strings.TrimSpace(string(line)))
	return len(line), nil
}
