package hostile

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/fepha/fepha/channeltab"
	"github.com/fepha/fepha/fsm/chantable"
)

const (
	datagramRate = 2000 // a second, of all targets together
	recordings   = 64   // datagrams that are remembered of each station
)

// datagrams sends random octets, datagrams of a member over and over, pieces of these, and those of a station with a wrong key.
func datagrams(g Ground) *Part {
	return &Part{
		Name:  "datagrams",
		deeds: []string{"random", "replayed", "truncated", "altered", "wrongly keyed"},
		run: func(ctx context.Context, p *Part) {
			keys, err := channeltab.ReadKeys(g.FNPKeys)
			if err != nil {
				return // it is told by what it hasn't done
			}
			wrong := slices.Clone(keys)
			wrong[0].Secret[0] ^= 1
			var member, outsider recorder
			var busy sync.WaitGroup
			defer busy.Wait()
			busy.Go(func() { member.record(ctx, g, keys) })
			busy.Go(func() { outsider.record(ctx, g, wrong) })

			conn, err := g.ListenPacket("udp", net.JoinHostPort(g.Host, "0"))
			if err != nil {
				return
			}
			defer closedWith(ctx, conn)()
			busy.Go(func() {
				b := make([]byte, 1<<16)
				for {
					n, _, err := conn.ReadFrom(b)
					if err != nil {
						return
					}
					p.did("answers")
					p.didTimes("octets answered", n)
				}
			})
			rng := rand.New(rand.NewPCG(1, 2))
			targets := make([]net.Addr, len(g.FNP))
			for i, a := range g.FNP {
				targets[i] = net.UDPAddrFromAddrPort(netip.MustParseAddrPort(a))
			}
			pace(ctx, datagramRate, func(n int) bool {
				deed, octets := datagram(rng, &member, &outsider, n/len(targets))
				if len(octets) == 0 {
					return true // nothing is recorded yet
				}
				if _, err := conn.WriteTo(octets, targets[n%len(targets)]); err != nil {
					return ctx.Err() == nil
				}
				p.did(deed)
				p.didTimes("octets sent", len(octets))
				return true
			})
		},
	}
}

func datagram(rng *rand.Rand, member, outsider *recorder, n int) (deed string, octets []byte) {
	switch n % 5 {
	case 0:
		return "random", garbage(rng, 1400)
	case 1:
		return "replayed", member.any(rng)
	case 2:
		octets = member.any(rng)
		return "truncated", octets[:len(octets)*rng.IntN(100)/100]
	case 3:
		if octets = member.any(rng); len(octets) > 0 {
			octets[rng.IntN(len(octets))] ^= 1 << rng.IntN(8)
		}
		return "altered", octets
	default:
		return "wrongly keyed", outsider.any(rng)
	}
}

// recorder has what a station sends that asks a centre which never answers.
type recorder struct {
	mu   sync.Mutex
	list [][]byte
}

// record lets a station speak to a socket of this process, until ctx ends.
func (r *recorder) record(ctx context.Context, g Ground, keys channeltab.Keys) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return
	}
	defer closedWith(ctx, conn)()
	station, err := channeltab.OpenStation(channeltab.StationConfig{
		ID: chantable.ID(g.FNPStranger), Name: "stranger", Keys: keys,
		Listen: netip.MustParseAddrPort("127.0.0.1:0"), Centres: []netip.AddrPort{conn.LocalAddr().(*net.UDPAddr).AddrPort()},
	})
	if err != nil {
		return
	}
	defer station.Close()
	b := make([]byte, 1<<16)
	for {
		n, err := conn.Read(b)
		if err != nil {
			return
		}
		r.mu.Lock()
		if r.list = append(r.list, slices.Clone(b[:n])); len(r.list) > recordings {
			r.list = r.list[1:]
		}
		r.mu.Unlock()
	}
}

// any is a copy of one of what was recorded; nil: nothing was.
func (r *recorder) any(rng *rand.Rand) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) == 0 {
		return nil
	}
	return slices.Clone(r.list[rng.IntN(len(r.list))])
}
