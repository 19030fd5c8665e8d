package hostile

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

const (
	strangerRate = 100 // connections a second, of all targets together
	strangerKept = 128 // connections that it keeps
)

// stranger connects where it is in no group and no member, and keeps what it has got: silent, with half a frame, or with garbage.
func stranger(g Ground) *Part {
	return &Part{
		Name:  "stranger",
		deeds: []string{"connections", "said nothing", "sent half a frame", "sent garbage", "asked to start"},
		run: func(ctx context.Context, p *Part) {
			rng := rand.New(rand.NewPCG(1, 1))
			var kept []net.Conn
			defer func() {
				for _, conn := range kept {
					_ = conn.Close()
				}
			}()
			pace(ctx, strangerRate, func(n int) bool {
				conn, err := g.dial(ctx, g.Strange[n%len(g.Strange)])
				if err != nil {
					p.did("not let in")
					return true
				}
				p.did("connections")
				if kept = append(kept, conn); len(kept) > strangerKept {
					_ = kept[0].Close()
					kept = kept[1:]
				}
				_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
				switch rng.IntN(4) {
				case 0:
					p.did("said nothing")
				case 1:
					p.did("sent half a frame")
					_, _ = conn.Write([]byte{iec104.StartOctet, 14, 0})
				case 2:
					p.did("sent garbage")
					_, _ = conn.Write(garbage(rng, 300))
				case 3:
					p.did("asked to start")
					_, _ = conn.Write(iec104.AppendU(nil, iec104.StartDTAct))
				}
				return true
			})
		},
	}
}

// garbage are up to so many octets.
func garbage(rng *rand.Rand, most int) []byte {
	b := make([]byte, 1+rng.IntN(most))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// flooderRate is how many commands a second it sends on each link.
const flooderRate = 500

// flooder is a client of a group of its own that sends selects and controls without end and acknowledges nothing that it gets.
func flooder(g Ground) *Part {
	return &Part{
		Name:  "client",
		deeds: []string{"links", "selects", "controls", "malformed commands", "answers not acknowledged"},
		run: func(ctx context.Context, p *Part) {
			var links sync.WaitGroup
			defer links.Wait()
			for _, address := range g.Own {
				links.Go(func() {
					pace(ctx, 2, func(int) bool {
						conn, err := g.dial(ctx, address)
						if err != nil {
							p.did("not let in")
							return true
						}
						p.did("links")
						defer closedWith(ctx, conn)()
						flood(ctx, g, p, newPeer(conn))
						return true
					})
				})
			}
		},
	}
}

// flood sends commands until the link breaks.
func flood(ctx context.Context, g Ground, p *Part, link *peer) {
	if link.write(iec104.AppendU(nil, iec104.StartDTAct)) != nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	var reader sync.WaitGroup
	defer reader.Wait()
	defer func() { _ = link.conn.Close() }()
	defer cancel()
	reader.Go(func() {
		defer cancel()
		for {
			f, err := link.read()
			if err != nil {
				if errors.Is(err, io.EOF) {
					p.did("links closed on it")
				}
				return
			}
			if f.Format == iec104.FormatI {
				p.did("answers not acknowledged")
			}
		}
	})
	pace(ctx, flooderRate, func(n int) bool {
		deed, octets := command(g, n)
		// A window is no bound for it: it sends whatever the socket takes.
		_ = link.conn.SetWriteDeadline(time.Now().Add(time.Second))
		sent, err := link.send(octets, iec104.SequenceModulus, false)
		if sent {
			p.did(deed)
		}
		return err == nil
	})
}

// command is the n-th that the flooder sends.
func command(g Ground, n int) (deed string, octets []byte) {
	h := asdu.Header{Type: asdu.C_SC_NA_1, Cause: asdu.Activation, CommonAddress: g.OwnAddress, Originator: uint8(n)}
	o := asdu.Object{Address: g.Outputs[n%len(g.Outputs)], Value: float64(n % 2)}
	switch n % 10 {
	case 9:
		return "malformed commands", malform(build(h, o), n/10)
	case 0, 2, 4, 6:
		return "controls", build(h, o)
	}
	o.Qualifier = asdu.SelectBit
	return "selects", build(h, o)
}
