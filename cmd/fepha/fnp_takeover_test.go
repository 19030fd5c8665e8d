package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/channeltab"
	"github.com/fepha/fepha/cmd/fepha/internal/fnpcmd"
	"github.com/fepha/fepha/cmd/internal/rig"
)

const (
	takeoverSends  = 120
	takeoverPeriod = 100 * time.Millisecond
	takeoverKill   = 20 // after so many sends
)

// TestFNPTakeover kills the node that leads and runs the endpoint, while a station sends to the endpoint every 100 ms: each message is
// acknowledged, and is there once. So too for a station that multicast does not reach, whose own node of the centre may be the one
// that was killed.
func TestFNPTakeover(t *testing.T) {
	if os.Getenv(inStorm) == "" {
		runInNamespace(t, "TestFNPTakeover")
		return
	}
	for _, tt := range []struct {
		name    string
		listens bool
		blocked bool
	}{
		{name: "with multicast", listens: true},
		{name: "a station that listens to no group"},
		{name: "a network without multicast", listens: true, blocked: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.blocked {
				dropMulticast(t)
			}
			s, ctx := newStation(t, rig.Options{FNP: true})
			r := &fnpRig{Station: s, t: t, ctx: ctx}
			var leader string
			_, err := s.WaitFor(ctx, "a FEP that leads and runs the endpoint", func(st api.Status) bool {
				about, err := s.Client().FNP(ctx)
				leader = st.Leader
				return err == nil && about.Endpoint.Owner == st.Leader
			})
			if err != nil {
				t.Fatal(err)
			}
			sender := r.sender(map[string]int{"fep1": 0, "fep2": 1}[leader], tt.listens)
			until(t, "the endpoint in the table", func() bool { e, ok := sender.Lookup(rig.FNPEndpoint); return ok && e.Online })
			if hears := tt.listens && !tt.blocked; hears {
				until(t, "multicast heard", func() bool { return sender.Status().Hears })
			}
			kept := r.readMessages()
			acked, took := r.sendThroughKill(sender, leader)
			t.Logf("%d of %d acknowledged, the slowest after %v", len(acked), takeoverSends, took)
			if len(acked) < takeoverSends {
				t.Errorf("%d of %d messages acknowledged", len(acked), takeoverSends)
			}
			until(t, "all kept", func() bool { return len(kept()) >= len(acked) })
			r.arrivedOnce(acked, kept())
		})
	}
}

// sender is a station that registers at one node of the centre first.
func (r *fnpRig) sender(centre int, listens bool) *channeltab.Station {
	cfg, err := fnpcmd.StationConfig(r.file(1003, "sender", ""))
	if err != nil {
		r.t.Fatal(err)
	}
	cfg.Centres = append(cfg.Centres[centre:], cfg.Centres[:centre]...)
	if !listens {
		cfg.Multicast = channeltab.MulticastConfig{}
	}
	s, err := channeltab.OpenStation(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { s.Close() })
	return s
}

// sendThroughKill returns the messages that were acknowledged, and how long the slowest of them took.
func (r *fnpRig) sendThroughKill(s *channeltab.Station, victim string) (acked []string, slowest time.Duration) {
	var sending sync.WaitGroup
	var mu sync.Mutex
	tick := time.NewTicker(takeoverPeriod)
	defer tick.Stop()
	for i := range takeoverSends {
		if i == takeoverKill {
			if err := r.Kill(victim); err != nil {
				r.t.Fatal(err)
			}
		}
		sending.Go(func() {
			begun, text := time.Now(), fmt.Sprintf("message %d", i)
			if err := s.SendDataByID(context.Background(), rig.FNPEndpoint, []byte(text), channeltab.AnyOrder); err != nil {
				r.t.Logf("%s: %v", text, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			acked = append(acked, text)
			slowest = max(slowest, time.Since(begun))
		})
		<-tick.C
	}
	sending.Wait()
	return acked, slowest
}

// dropMulticast makes the namespace a network that multicast does not cross.
func dropMulticast(t *testing.T) {
	t.Helper()
	command(t, "table ip blocked {\n\tchain in {\n\t\ttype filter hook input priority 0;\n\t\tip daddr 224.0.0.0/4 drop\n\t}\n}\n", "nft", "-f", "-")
	t.Cleanup(func() { command(t, "", "nft", "delete", "table", "ip", "blocked") })
}
