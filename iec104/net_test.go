package iec104

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
)

// network is a listener in memory, for virtual time. A connection holds no
// octets on the way: a write returns when they were read.
type network struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newNetwork() *network {
	return &network{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error {
	n.once.Do(func() { close(n.closed) })
	return nil
}

func (n *network) Addr() net.Addr { return tcpAddr("192.0.2.1:2404") }

func tcpAddr(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }

// addressed is a connection that says where it leads.
type addressed struct {
	net.Conn
	remote net.Addr
}

func (a addressed) RemoteAddr() net.Addr { return a.remote }

// from dials as a host with this address.
func (n *network) from(address string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		client, server := net.Pipe()
		select {
		case n.conns <- addressed{server, tcpAddr(address)}:
			return addressed{client, n.Addr()}, nil
		case <-n.closed:
			return nil, fmt.Errorf("connection refused")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// serve runs a server in memory until the test ends.
func serve(t *testing.T, cfg ServerConfig) (*Server, *network) {
	t.Helper()
	srv, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	n := newNetwork()
	served := make(chan error)
	go func() { served <- srv.Serve(n) }()
	t.Cleanup(func() {
		srv.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return srv, n
}

// recorder is a controlling station that notes what it gets.
type recorder struct {
	*Client
	mu  sync.Mutex
	got []asdu.ASDU
}

// connect makes a client that is closed when the test ends.
func connect(t *testing.T, n *network, cfg ClientConfig) *recorder {
	t.Helper()
	r := &recorder{}
	handle := cfg.Handle
	cfg.Handle = func(c *Client, a asdu.ASDU, index uint64) {
		r.mu.Lock()
		r.got = append(r.got, a.Clone())
		r.mu.Unlock()
		if handle != nil {
			handle(c, a, index)
		}
	}
	if cfg.Dial == nil {
		cfg.Dial = n.from("198.51.100.7:40000")
	}
	c, err := Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	r.Client = c
	return r
}

// start connects and starts.
func start(t *testing.T, n *network, cfg ClientConfig) *recorder {
	t.Helper()
	c := connect(t, n, cfg)
	if err := c.StartDT(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// take returns what came since the last call, when all is quiet.
func (r *recorder) take() []asdu.ASDU {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got
	r.got = nil
	return got
}

// words is take in short: for each ASDU the type, cause, P/N, T, common address
// and objects as address=value.
func (r *recorder) words() string {
	var lines []string
	for _, a := range r.take() {
		lines = append(lines, brief(a))
	}
	return strings.Join(lines, "\n")
}

func brief(a asdu.ASDU) string {
	s := fmt.Sprintf("%v %d", a.Type, a.Cause)
	if a.Negative {
		s += " negative"
	}
	if a.Test {
		s += " test"
	}
	s += fmt.Sprintf(" ca %d:", a.CommonAddress)
	if !a.Known() {
		return s + fmt.Sprintf(" % x", a.Raw())
	}
	for o := range a.Objects() {
		s += fmt.Sprintf(" %d=%v", o.Address, o.Value)
		if o.Qualifier != 0 {
			s += fmt.Sprintf("/%d", o.Qualifier)
		}
	}
	return s
}

// event is an M_SP_TB_1 with a number as its address.
func eventASDU(n int) asdu.ASDU {
	a, err := asdu.DefaultProfile.New(asdu.Header{Type: asdu.M_SP_TB_1, Cause: asdu.Spontaneous, CommonAddress: 1},
		asdu.Object{Address: asdu.InformationObjectAddress(n), Value: 1, Time: asdu.NewCP56Time2a(time.Unix(0, 0), time.UTC)})
	if err != nil {
		panic(err)
	}
	return a
}

// numbers are the addresses of the first objects.
func numbers(asdus []asdu.ASDU) (n []int) {
	for _, a := range asdus {
		n = append(n, int(a.Object(0).Address))
	}
	return n
}

// raw is a peer that speaks frames by hand.
type raw struct {
	t    *testing.T
	conn net.Conn
	buf  []byte
}

func dialRaw(t *testing.T, n *network) *raw {
	t.Helper()
	conn, err := n.from("198.51.100.7:40000")(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &raw{t: t, conn: conn}
}

// send writes frames, in the words of testdata/link.
func (r *raw) send(frames ...string) {
	r.t.Helper()
	var b []byte
	for _, f := range frames {
		var err error
		if b, err = appendFrame(b, f); err != nil {
			r.t.Fatal(err)
		}
	}
	if _, err := r.conn.Write(b); err != nil {
		r.t.Fatal(err)
	}
}

// next reads one frame; "" is the end of the connection.
func (r *raw) next() string {
	r.t.Helper()
	for {
		f, n, err := ParseFrame(r.buf)
		if err != nil {
			r.t.Fatal(err)
		}
		if n > 0 {
			r.buf = r.buf[n:]
			switch f.Format {
			case FormatI:
				return fmt.Sprintf("I %d %d", f.SendSeq, f.RecvSeq)
			case FormatS:
				return fmt.Sprintf("S %d", f.RecvSeq)
			}
			return f.Function.String()
		}
		b := make([]byte, 1000)
		m, err := r.conn.Read(b)
		if err != nil {
			return ""
		}
		r.buf = append(r.buf, b[:m]...)
	}
}

// expect reads frames.
func (r *raw) expect(frames ...string) {
	r.t.Helper()
	for _, want := range frames {
		if got := r.next(); got != want {
			r.t.Fatalf("got frame %q, want %q", got, want)
		}
	}
}

// quiet fails if a frame comes within d.
func (r *raw) quiet(d time.Duration) {
	r.t.Helper()
	if err := r.conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		r.t.Fatal(err)
	}
	if got := r.next(); got != "" {
		r.t.Fatalf("got frame %q, want none within %v", got, d)
	}
	if err := r.conn.SetReadDeadline(time.Time{}); err != nil {
		r.t.Fatal(err)
	}
}
