package acquisition

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104/asdu"
)

// BenchmarkTakeover gives 500 RTUs with 2,000 points each to the other FEP at once: how long until all are started there.
// Everything runs in one process: both FEPs, the devices, and a log that commits every 2 ms.
func BenchmarkTakeover(b *testing.B) {
	for _, probe := range []Probe{ProbeConnect, ProbeHold} {
		b.Run(map[Probe]string{ProbeConnect: "connect", ProbeHold: "hold"}[probe], func(b *testing.B) {
			const rtus, points = 500, 2000
			n, links := newNetwork(), map[uint32][]uint32{}
			var list []RTU
			for i := range uint32(rtus) {
				address := fmt.Sprintf("rtu%d:1", i+1)
				r := RTU{Number: i + 1, CommonAddress: 1, Retry: 5 * time.Second, StandbyProbe: probe, Channels: []Channel{channel(address)}}
				for p := range uint32(points) {
					r.Points = append(r.Points, Point{Kind: fsmpb.Kind_DI, Number: p, Address: asdu.InformationObjectAddress(p + 1)})
				}
				list = append(list, r)
				newDevice(b, n, quirks{}, address)
				links[i+1] = []uint32{1}
			}
			s := newStation(b, links, nil)
			feps := []string{"fep1", "fep2"}
			for _, id := range feps {
				m, err := New(Config{Replica: s.Node(id), RTUs: list, Dial: n.dial, Log: slog.New(slog.DiscardHandler)})
				if err != nil {
					b.Fatal(err)
				}
				ctx, cancel := context.WithCancel(context.Background())
				ended := make(chan error)
				go func() { ended <- m.Run(ctx) }()
				b.Cleanup(func() { cancel(); <-ended })
			}
			count := func(node string, want fsm.LinkState) (n int) {
				s.View(func(st *fsm.State) {
					for i := range uint32(rtus) {
						for _, l := range st.Links(i+1, node) {
							if l.State == want {
								n++
							}
						}
					}
				})
				return n
			}
			until := func(node string, want fsm.LinkState) {
				for end := time.Now().Add(time.Minute); count(node, want) < rtus; time.Sleep(5 * time.Millisecond) {
					if time.Now().After(end) {
						b.Fatalf("%d of %d links of %s are %v", count(node, want), rtus, node, want)
					}
				}
			}
			until("fep2", fsm.LinkStandby)
			until("fep1", fsm.LinkStandby)
			turn := 0
			for b.Loop() {
				owner, other := feps[turn%2], feps[(turn+1)%2]
				for i := range uint32(rtus) {
					r := s.Resource(fsm.RTUResource(i + 1))
					s.Node(owner).ProposeAsync(&fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{
						Resource: r.ID, ExpectEpoch: r.Epoch, Owner: owner, Reason: "test"}}})
				}
				until(owner, fsm.LinkActive)
				b.StopTimer()
				until(other, fsm.LinkStandby)
				turn++
				b.StartTimer()
			}
		})
	}
}
