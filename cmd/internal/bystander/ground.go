package bystander

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/channeltab"
	"github.com/fepha/fepha/fsm/chantable"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/sim"
)

// Ground is where the bystanders stand, and what they reach from there.
type Ground struct {
	// Inside calls f where sockets that it opens are on the bystanders' host.
	Inside func(f func() error) error
	Host   string // their address

	FNP  channeltab.StationConfig // what the bystanders' stations have in common: centres and keys
	Pair [2]chantable.ID          // theirs
	Home chantable.ID             // the endpoint of the station that is judged

	APIs       []*client.Client // of all nodes, for who may operate
	Operator   string           // as whom the nodes know them
	RTU        uint32
	Points     []uint32 // AOs of the good device, which take any whole number up to 2²⁴ (C_SE_NC_1)
	Operations func() []sim.Operation
	// Command sends a command through the uplink, as sim.Centre.Command.
	Command  func(ctx context.Context, c iec104.Command) error
	Uplink   asdu.CommonAddress
	Objects  []asdu.InformationObjectAddress // other such AOs there
	Resource string                          // of the uplink, as the nodes know it

	Views []View
}

// View is the embedded Redis of a FEP.
type View struct {
	Node     string
	Host     int // of the node in station.yaml
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	Address  string
	Password func() (string, error)
	Points   []string // keys that are always there
}

// A Bystander wants something of the station until ctx ends, and then looks what became of the rest of it; look bounds how long.
type Bystander interface {
	Run(ctx, look context.Context)
	Accounts() []*Account
}

// All are all bystanders on this ground.
func All(g Ground) []Bystander {
	now := time.Now()
	return []Bystander{newPair(g, now), newOperator(g, now), newReader(g, now)}
}

// Close closes the connections that are left.
func (g Ground) Close() {
	for _, c := range g.APIs {
		if c.HTTP != nil {
			c.HTTP.CloseIdleConnections()
		}
	}
}

// pace calls act so many times a second until ctx ends. It doesn't catch up on what it has missed.
func pace(ctx context.Context, perSecond int, act func(n int)) {
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			act(n)
		}
	}
}

// together runs all of them until each has ended.
func together(all ...func()) {
	var running sync.WaitGroup
	for _, f := range all {
		running.Go(f)
	}
	running.Wait()
}

// anyPort is one of the bystanders' address.
func (g Ground) anyPort() (netip.AddrPort, error) {
	a, err := netip.ParseAddr(g.Host)
	return netip.AddrPortFrom(a, 0), err
}
