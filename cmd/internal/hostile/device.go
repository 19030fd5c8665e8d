package hostile

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

const (
	deviceRate   = 500 // ASDUs a second on each link
	deviceEvents = 20  // of each
	deviceWindow = 12  // k, which it keeps full
	oddEvery     = 10 * time.Second
)

// device is an RTU that babbles as fast as its window lets it, sends what isn't 104 among it, and confirms controls without ever
// terminating them.
func device(g Ground) *Part {
	return &Part{
		Name:  "device",
		deeds: []string{"links", "events", "malformed ASDUs", "wrong common addresses", "unknown objects and types", "odd frames", "controls left open"},
		run: func(ctx context.Context, p *Part) {
			var channels sync.WaitGroup
			defer channels.Wait()
			for _, address := range g.Channels {
				l, err := g.Listen("tcp", address)
				if err != nil {
					continue // it is told by what it hasn't done
				}
				channels.Go(func() {
					defer closedWith(ctx, l)()
					listen(ctx, g, p, l)
				})
			}
		},
	}
}

// listen serves one connection after the other, and no more than a few at once.
func listen(ctx context.Context, g Ground, p *Part, l net.Listener) {
	var links sync.WaitGroup
	defer links.Wait()
	slots := make(chan struct{}, 8)
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		p.did("links")
		slots <- struct{}{}
		links.Go(func() {
			defer func() { <-slots }()
			defer closedWith(ctx, conn)()
			babble(ctx, g, p, newPeer(conn))
		})
	}
}

// babble serves one link until it breaks.
func babble(ctx context.Context, g Ground, p *Part, link *peer) {
	ctx, cancel := context.WithCancel(ctx)
	var sender sync.WaitGroup
	defer sender.Wait()
	defer cancel()
	sender.Go(func() {
		odd := time.Now().Add(oddEvery)
		pace(ctx, deviceRate, func(n int) bool {
			if time.Now().After(odd) {
				odd = time.Now().Add(oddEvery)
				p.did("odd frames")
				return link.write(oddFrames[n%len(oddFrames)]) == nil
			}
			deed, octets := deviceASDU(g, n)
			sent, err := link.send(octets, deviceWindow, true)
			if sent && deed == "events" {
				p.didTimes(deed, deviceEvents)
			} else if sent {
				p.did(deed)
			}
			return err == nil
		})
		_ = link.conn.Close() // so that the reader ends too
	})
	for {
		f, err := link.read()
		if err != nil {
			return
		}
		if f.Format != iec104.FormatI {
			continue
		}
		a, err := asdu.DefaultProfile.Parse(f.ASDU)
		if err != nil || !a.Type.IsCommand() {
			continue
		}
		if sent, _ := link.send(a.Mirror(asdu.ActivationCon, false).Append(nil), deviceWindow, true); sent {
			p.did("controls left open")
		}
	}
}

// deviceASDU is the n-th ASDU: events mostly.
func deviceASDU(g Ground, n int) (deed string, octets []byte) {
	h := asdu.Header{Type: asdu.M_SP_TB_1, Cause: asdu.Spontaneous, CommonAddress: g.CommonAddress}
	event := func(i int) asdu.Object {
		return asdu.Object{
			Address: asdu.InformationObjectAddress(1 + i%g.Points), Value: float64(i / g.Points % 2),
			Time: asdu.NewCP56Time2a(time.Now(), time.UTC),
		}
	}
	if n%20 != 19 {
		var objects []asdu.Object
		for i := range deviceEvents {
			objects = append(objects, event(n*deviceEvents+i))
		}
		return "events", build(h, objects...)
	}
	kind := n / 20
	switch kind % 3 {
	case 0:
		octets = build(h, event(n))
		return "malformed ASDUs", malform(octets, kind/3)
	case 1:
		h.CommonAddress += asdu.CommonAddress(1 + kind%1000)
		return "wrong common addresses", build(h, event(n))
	default:
		o := event(n)
		o.Address += asdu.InformationObjectAddress(1_000_000 + kind)
		octets = build(h, o)
		if kind%2 == 0 {
			octets[0] = byte(128 + kind%128) // a private type
		}
		return "unknown objects and types", octets
	}
}

// malform breaks an ASDU of one object in one of some ways.
func malform(octets []byte, way int) []byte {
	switch way % 6 {
	case 0:
		octets[1] = 0 // no object
	case 1:
		octets[1] = 127 // many more than there are
	case 2:
		octets = octets[:len(octets)-1]
	case 3:
		octets = append(octets, 0)
	case 4:
		octets = octets[:3] // not even a header
	case 5:
		octets[2] = 0 // cause 0
	}
	return octets
}

// oddFrames are no frames of the standard; each costs the link.
var oddFrames = [][]byte{
	{0x67, 4, 1, 0, 0, 0},                    // another start octet
	{iec104.StartOctet, 255, 0, 0},           // longer than a frame may be
	{iec104.StartOctet, 3, 1, 0, 0},          // shorter than one may be
	{iec104.StartOctet, 4, 0xff, 0, 0, 0},    // all functions at once
	{iec104.StartOctet, 4, 1, 0, 0xfe, 0xff}, // acknowledges what was never sent
}
