package raftio

import (
	"context"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/fepha/fepha/cluster/clusterpb"
	"github.com/fepha/fepha/replica"
)

// Peers are this node's RPC connections to the others. Each has two: proposals would make leases wait.
type Peers struct {
	mux     *Mux
	address func(id string) (string, bool)

	mu     sync.Mutex
	conns  map[peerConn]*grpc.ClientConn
	wires  map[string]net.Conn // what control connections run over
	closed bool
}

type peerConn struct {
	id, address string
	bulk        bool
}

// NewPeers connects when it's first asked to. address is where a node listens; not ok: there's no such node.
func NewPeers(mux *Mux, address func(id string) (string, bool)) *Peers {
	return &Peers{mux: mux, address: address, conns: map[peerConn]*grpc.ClientConn{}, wires: map[string]net.Conn{}}
}

// Control is the connection for short exchanges that mustn't wait.
func (p *Peers) Control(id string) (clusterpb.PeerClient, error) { return p.client(id, false) }

// Bulk is the connection for proposals.
func (p *Peers) Bulk(id string) (clusterpb.PeerClient, error) { return p.client(id, true) }

func (p *Peers) client(id string, bulk bool) (clusterpb.PeerClient, error) {
	address, ok := p.address(id)
	if !ok {
		return nil, replica.ErrUnknownNode
	}
	key := peerConn{id, address, bulk}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, replica.ErrClosed
	}
	conn, ok := p.conns[key]
	if !ok {
		var err error
		if conn, err = p.connect(key); err != nil {
			return nil, err
		}
		p.conns[key] = conn
	}
	return clusterpb.NewPeerClient(conn), nil
}

func (p *Peers) connect(to peerConn) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+to.address,
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			wire, err := p.mux.Dial(ctx, to.id, address)
			if err == nil && !to.bulk {
				p.mu.Lock()
				p.wires[to.id] = wire
				p.mu.Unlock()
			}
			return wire, err
		}),
		grpc.WithTransportCredentials(insecure.NewCredentials()), // the mux's connections are secured already
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 200 * time.Millisecond},
			MinConnectTimeout: p.mux.Timeout,
		}),
		grpc.WithDisableServiceConfig(),
		grpc.WithIdleTimeout(0),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxMessage), grpc.MaxCallSendMsgSize(MaxMessage)),
	)
}

// MaxMessage bounds a message between nodes: an entry, or the results of one.
const MaxMessage = 4 << 20

// Reconnect closes the control connection to a node, so that it is made anew: one that a cut has frozen thaws long after the cut has ended.
func (p *Peers) Reconnect(id string) {
	p.mu.Lock()
	wire := p.wires[id]
	delete(p.wires, id)
	p.mu.Unlock()
	if wire != nil {
		_ = wire.Close()
	}
}

// Close closes the connections, and lets none be made any more.
func (p *Peers) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, conn := range p.conns {
		_ = conn.Close()
	}
	clear(p.conns)
}
