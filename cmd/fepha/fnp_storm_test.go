package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/channeltab"
	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/fsm/chantable"
)

// inStorm is set in the process that runs in the storm's namespace.
const inStorm = "FEPHA_FNP_STORM"

const (
	stormPeriod = 10 * time.Second // from one kill to the next
	stormKills  = 2                // at each loss
)

// TestFNPStorm: a network of real processes in a namespace of its own, where datagrams are lost, and whichever node leads
// is killed every 10 s.
func TestFNPStorm(t *testing.T) {
	if !*slowFNP {
		t.Skip("takes a minute; run with -fnp.slow")
	}
	if os.Getenv(inStorm) == "" {
		runInNamespace(t, "TestFNPStorm", "-fnp.slow")
		return
	}
	r := newFNPRig(t)
	s, ctx := r.Station, r.ctx
	kept := r.readMessages()
	acked := map[chantable.ID][]string{}
	for _, loss := range []int{0, 10, 30} {
		lose(t, loss)
		sending, stop := context.WithCancel(ctx)
		var senders sync.WaitGroup
		var mu sync.Mutex
		failed := 0
		for _, to := range []chantable.ID{1001, 1002, rig.FNPEndpoint} {
			senders.Go(func() {
				for i := 0; sending.Err() == nil; i++ {
					text := fmt.Sprintf("%d at %d %% to %d", i, loss, to)
					err := r.observer.SendDataByID(ctx, to, []byte(text), channeltab.InOrder)
					mu.Lock()
					if err == nil {
						acked[to] = append(acked[to], text)
					} else {
						failed++
					}
					mu.Unlock()
				}
			})
		}
		for range stormKills {
			time.Sleep(stormPeriod) // what's tested is this very pace
			st, err := s.WaitFor(ctx, "a leader", rig.Complete)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Kill(st.Leader); err != nil {
				t.Fatal(err)
			}
			if _, err := s.WaitFor(ctx, "another leader", func(now api.Status) bool { return now.Leader != "" && now.Leader != st.Leader }); err != nil {
				t.Fatal(err)
			}
			if err := s.Start(st.Leader); err != nil {
				t.Fatal(err)
			}
		}
		stop()
		senders.Wait()
		lose(t, 0)
		if _, err := s.WaitFor(ctx, "a whole station", rig.Complete); err != nil {
			t.Fatal(err)
		}
		r.tables(fmt.Sprintf("after a loss of %d %%", loss), r.pump, r.fan)
		t.Logf("at a loss of %d %%: %d, %d and %d messages acknowledged so far, %d failed now", loss,
			len(acked[1001]), len(acked[1002]), len(acked[rig.FNPEndpoint]), failed)
	}
	r.observer.SendDataByID(ctx, rig.FNPEndpoint, []byte("the end"), channeltab.InOrder)
	var atEndpoint []string
	until(t, "the end kept", func() bool { atEndpoint = kept(); return slices.Contains(atEndpoint, "the end") })
	r.arrivedOnce(acked[1001], r.pump.messages())
	r.arrivedOnce(acked[1002], r.fan.messages())
	r.arrivedOnce(acked[rig.FNPEndpoint], atEndpoint)
}

// messages are what the station has received, in order.
func (p *stationProcess) messages() (all []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events {
		if e.Event == "received" {
			all = append(all, string(e.Data))
		}
	}
	return all
}

// readMessages begins to read what the endpoint gets, from whichever node answers, and returns what tells all of it so far.
func (r *fnpRig) readMessages() func() []string {
	ctx, cancel := context.WithCancel(r.ctx)
	var mu sync.Mutex
	var all []string
	var reading sync.WaitGroup
	reading.Go(func() {
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for number := uint64(0); ; {
			for _, n := range r.Nodes() {
				m, err := (&client.Client{Base: n.API}).FNPMessages(ctx, number, 1000)
				if err != nil {
					continue // it is the one that was killed
				}
				for _, got := range m.Messages {
					if got.Number <= number {
						continue
					}
					if got.Number != number+1 {
						r.t.Errorf("message %d of the endpoint came after %d", got.Number, number)
					}
					number = got.Number
					mu.Lock()
					all = append(all, string(got.Data))
					mu.Unlock()
				}
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	})
	r.t.Cleanup(func() { cancel(); reading.Wait() })
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

// arrivedOnce checks that all that was acknowledged has arrived, nothing twice, and in order.
func (r *fnpRig) arrivedOnce(acked, arrived []string) {
	r.t.Helper()
	at := map[string]int{}
	for i, text := range arrived {
		if before, twice := at[text]; twice {
			r.t.Errorf("%q arrived twice, at %d and %d", text, before, i)
		}
		at[text] = i
	}
	last := -1
	for _, text := range acked {
		i, ok := at[text]
		if !ok {
			r.t.Errorf("%q was acknowledged and has not arrived", text)
		} else if i < last {
			r.t.Errorf("%q arrived out of order", text)
		}
		last = max(last, i)
	}
	if len(acked) < 100 {
		r.t.Errorf("%d messages acknowledged: too few to say anything", len(acked))
	}
}

// runInNamespace runs a test again in a network namespace that has nothing but a loopback interface.
func runInNamespace(t *testing.T, name string, flags ...string) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a network namespace")
	}
	space := fmt.Sprintf("fepha-storm-%d", os.Getpid())
	command(t, "", "ip", "netns", "add", space)
	t.Cleanup(func() { command(t, "", "ip", "netns", "del", space) })
	command(t, "", "ip", "-n", space, "link", "set", "lo", "up", "multicast", "on")
	command(t, "", "ip", "-n", space, "route", "add", "239.0.0.0/8", "dev", "lo")
	args := append([]string{"netns", "exec", space, os.Args[0], "-test.run=^" + name + "$", "-test.v", "-test.timeout=5m"}, flags...)
	c := exec.Command("ip", args...)
	c.Env = append(os.Environ(), inStorm+"=1")
	out, err := c.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

// lose has some of the namespace's UDP datagrams lost.
func lose(t *testing.T, percent int) {
	t.Helper()
	command(t, fmt.Sprintf(`table ip storm
delete table ip storm
table ip storm {
	chain in {
		type filter hook input priority 0;
		meta l4proto udp numgen random mod 100 < %d drop
	}
}
`, percent), "nft", "-f", "-")
}

func command(t *testing.T, input, name string, args ...string) {
	t.Helper()
	c := exec.Command(name, args...)
	c.Stdin = strings.NewReader(input)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}
