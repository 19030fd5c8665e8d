package forwarder

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
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
