package main

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/iec104"
)

// Strangers who knock by the thousand, who connect and say nothing, and who
// send garbage disturb no live link of a station at work.
func TestFloodOfConnections(t *testing.T) {
	for _, mode := range []string{"exclusive", "main-standby"} {
		t.Run(mode, func(t *testing.T) {
			s, ctx := newStation(t, rig.Options{Mode: mode})
			s.Simulate(func(ctx context.Context) { s.Devices[0].Emit(ctx, 200, 1) })
			eventually(t, "events", func() bool { return s.Centre.Received.Len() > 100 })
			starts := s.Centre.Starts()
			s.Centre.Received.ResetGap()

			const lasts = 2 * time.Second
			flood, stop := context.WithTimeout(ctx, lasts)
			defer stop()
			var attackers sync.WaitGroup
			var knocked atomic.Int64
			for i := range 4 {
				rng := rand.New(rand.NewPCG(uint64(i), 0))
				// Two come from an address in no group, two from the control centre's own.
				from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+i%2))}, Timeout: time.Second}
				attackers.Go(func() {
					var open []net.Conn
					for flood.Err() == nil {
						time.Sleep(time.Millisecond)
						conn, err := from.DialContext(flood, "tcp", s.Uplinks()[rng.IntN(2)])
						if err != nil {
							continue
						}
						knocked.Add(1)
						if open = append(open, conn); len(open) > 50 {
							open[0].Close()
							open = open[1:]
						}
						switch rng.IntN(3) {
						case 0: // says nothing
						case 1:
							garbage := make([]byte, rng.IntN(300))
							for j := range garbage {
								garbage[j] = byte(rng.Uint32())
							}
							_, _ = conn.Write(garbage)
						case 2:
							_, _ = conn.Write(iec104.AppendU(nil, iec104.TestFRAct))
						}
					}
					for _, conn := range open {
						conn.Close()
					}
				})
			}
			attackers.Wait()
			gap := s.Centre.Received.LongestGap()
			if got := s.Centre.Starts(); got != starts {
				t.Errorf("the control centre had to start %d times more", got-starts)
			}
			if gap > 2*time.Second {
				t.Errorf("the control centre heard nothing for %v", gap)
			}
			noneLost(t, s.Settle(ctx))
			if s.Centre.Received.Repeats() > 0 {
				t.Errorf("%d events came twice", s.Centre.Received.Repeats())
			}
			t.Logf("%d connections in %v, longest gap %v", knocked.Load(), lasts, gap.Round(time.Millisecond))
		})
	}
}
