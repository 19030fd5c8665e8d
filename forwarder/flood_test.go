package forwarder

import (
	"bytes"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
)

// Connections in a flood, half-open clients and garbage disturb no live link.
func TestFloodDisturbsNoLiveLink(t *testing.T) {
	for _, mode := range []fsm.Mode{fsm.Exclusive, fsm.MainStandby, fsm.DualActive} {
		t.Run(string(mode), func(t *testing.T) {
			c, f1, _ := pair(t, mode, Uplink{
				Groups: []Group{
					{Name: "a", Clients: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}},
					{Name: "b", Clients: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}},
				},
				Limits: iec104.Limits{Connections: 40},
			})
			live := begin(t, f1.address)
			random := rand.New(rand.NewPCG(1, uint64(len(mode))))
			var conns []net.Conn
			defer func() {
				for _, conn := range conns {
					conn.Close()
				}
			}()
			dialer := net.Dialer{Timeout: time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
			const rounds = 300
			for i := range rounds {
				conn, err := dialer.Dial("tcp", f1.address)
				if err == nil {
					conns = append(conns, conn)
					switch random.IntN(4) {
					case 0: // says nothing
					case 1:
						_, _ = conn.Write(iec104.AppendU(nil, iec104.StartDTAct)) // and acknowledges nothing
					case 2:
						garbage := make([]byte, random.IntN(300))
						for j := range garbage {
							garbage[j] = byte(random.Uint32())
						}
						_, _ = conn.Write(garbage)
					case 3:
						conn.Close()
					}
				}
				if i%10 == 0 {
					c.Values(t, 1, di(1, 1, uint64(i/10)))
				}
			}
			eventually(t, "all events on the live link", func() bool { return len(live.numbers()) == rounds/10 })
			if got := live.numbers(); !slices.IsSorted(got) || live.Err() != nil {
				t.Errorf("live link: events %v, error %v", got, live.Err())
			}
		})
	}
}

// lineCounter counts the lines of a log.
type lineCounter struct {
	lines  atomic.Int64
	served atomic.Int64 // that tell of a group's new address
}

func (c *lineCounter) Write(b []byte) (int, error) {
	c.lines.Add(1) // a handler of slog writes a line at a time
	if bytes.Contains(b, []byte("the group is now served to another address")) {
		c.served.Add(1)
	}
	return len(b), nil
}

// Connections alone don't fill the log: those that are refused, those that are let in and go away again, those that
// start the link and stop it. Each is counted.
func TestFloodOfConnectionsIsAFewLines(t *testing.T) {
	c := startStation(t, fsm.Exclusive.Proto(), "a")
	f := c.start(t, "fep1", Uplink{Mode: fsm.Exclusive, Groups: []Group{{Name: "a", Clients: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}}})
	eventually(t, "it listens", func() bool { return f.Stats()[0].Listening })
	before := f.logged.lines.Load()
	const refused, admitted = 400, 400
	stranger := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	for range refused {
		conn, err := stranger.Dial("tcp", f.address)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Read(make([]byte, 1)) // until it is closed
		conn.Close()
	}
	for i := range admitted {
		client, err := iec104.Dial(t.Context(), iec104.ClientConfig{Address: f.address})
		if err != nil {
			t.Fatal(err)
		}
		if i%4 == 0 {
			_ = client.StartDT(t.Context())
		}
		client.Close()
	}
	counted := func() (n uint64) {
		s := f.Stats()[0].Server
		for _, more := range s.Refused {
			n += more
		}
		for _, more := range s.Closed {
			n += more
		}
		return n
	}
	eventually(t, "each connection counted", func() bool { return counted() == refused+admitted })
	if lines := f.logged.lines.Load() - before; lines > 250 {
		t.Errorf("%d connections are %d lines, want 250 at most", refused+admitted, lines)
	} else {
		t.Logf("%d connections are %d lines", refused+admitted, lines)
	}
}
