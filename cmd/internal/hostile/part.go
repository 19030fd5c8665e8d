package hostile

import (
	"context"
	"maps"
	"net"
	"sync"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
)

// Ground is where the hostile neighbours stand, and whom they reach from there. Addresses are host:port, and numeric.
type Ground struct {
	Channels      []string // where the device listens, one a channel of its RTU
	CommonAddress asdu.CommonAddress
	Points        int                                                 // single points 1 to Points that the device has
	Listen        func(network, address string) (net.Listener, error) // on the device's host

	Host         string // the address that all others come from
	Dial         func(ctx context.Context, network, address string) (net.Conn, error)
	ListenPacket func(network, address string) (net.PacketConn, error)

	Strange     []string // uplinks with a group that Host isn't in, and the ports between nodes
	Own         []string // an uplink with a group that Host is in, on each FEP
	OwnAddress  asdu.CommonAddress
	Outputs     []asdu.InformationObjectAddress // that this uplink may operate (C_SC_NA_1)
	APIs        []string
	FNP         []string // of the centre and of the endpoint
	FNPKeys     string   // key file of the FNP network
	FNPStranger uint32   // id of a station that nobody else is
	Redis       []Redis  // the embedded ones
}

// A Part is one hostile neighbour. It runs once.
type Part struct {
	Name string

	deeds []string // each of which it has to do to be a test
	run   func(ctx context.Context, p *Part)

	mu   sync.Mutex
	done map[string]uint64
}

// Parts are all hostile neighbours on this ground.
func Parts(g Ground) []*Part {
	return []*Part{device(g), stranger(g), flooder(g), datagrams(g), caller(g), redisClient(g)}
}

// Run does harm until ctx ends.
func (p *Part) Run(ctx context.Context) { p.run(ctx, p) }

func (p *Part) did(deed string) { p.didTimes(deed, 1) }

func (p *Part) didTimes(deed string, times int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done == nil {
		p.done = map[string]uint64{}
	}
	p.done[deed] += uint64(times)
}

// Done is how often it did what.
func (p *Part) Done() map[string]uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.done)
}

// Undone are the deeds that it should have done and hasn't.
func (p *Part) Undone() (undone []string) {
	done := p.Done()
	for _, deed := range p.deeds {
		if done[deed] == 0 {
			undone = append(undone, deed)
		}
	}
	return undone
}

// dialTimeout is how long a connection may take to come about.
const dialTimeout = 2 * time.Second

// dial connects from the hostile host.
func (g Ground) dial(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return g.Dial(ctx, "tcp", address)
}

// pace calls act so many times a second, until ctx ends or act says false. It doesn't catch up on what it has missed.
func pace(ctx context.Context, perSecond int, act func(n int) bool) {
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !act(n) {
			return
		}
	}
}

// closedWith closes c when ctx ends; the caller defers what it returns, which closes c too.
func closedWith(ctx context.Context, c interface{ Close() error }) (end func()) {
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	return func() {
		stop()
		_ = c.Close()
	}
}
