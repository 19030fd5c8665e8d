package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/channeltab"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/cmd/fepha/internal/fnpcmd"
	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/fsm/chantable"
)

// fnpRig is a station with FNP, two stations as processes, and one in this process that looks on.
type fnpRig struct {
	*rig.Station
	t        *testing.T
	ctx      context.Context
	pump     *stationProcess // 1001
	fan      *stationProcess // 1002
	observer *channeltab.Station
}

// newFNPRig brings all that up.
func newFNPRig(t *testing.T) *fnpRig {
	t.Helper()
	s, ctx := newStation(t, rig.Options{FNP: true})
	r := &fnpRig{Station: s, t: t, ctx: ctx}
	r.pump, r.fan = startStation(t, r.file(1001, "pump", "")), startStation(t, r.file(1002, "fan", ""))
	cfg, err := fnpcmd.StationConfig(r.file(1003, "observer", ""))
	if err != nil {
		t.Fatal(err)
	}
	if r.observer, err = channeltab.OpenStation(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.observer.Close() })

	r.pump.registered()
	r.fan.registered()
	until(t, "the endpoint in the table", func() bool { return r.entry(rig.FNPEndpoint).Online })
	r.tables("all have registered", r.pump, r.fan)
	return r
}

func (r *fnpRig) file(id int, name, key string) string {
	r.t.Helper()
	file, err := r.FNPStationFile(id, name, key)
	if err != nil {
		r.t.Fatal(err)
	}
	return file
}

func (r *fnpRig) fepha(want int, args ...string) string {
	r.t.Helper()
	out, errs := fepha(r.t, want, append(args, "--addr", r.Node("wit").API)...)
	return out + errs
}

// tables waits until all nodes that run and all copies have the same table.
func (r *fnpRig) tables(what string, stations ...*stationProcess) {
	r.t.Helper()
	type key struct {
		cn, port uint16
		id       uint64
		addr     string
		name     string
		online   bool
		since    int64
	}
	keys := func(list []api.FNPEntry) (k []key) {
		for _, e := range list {
			k = append(k, key{e.CN, e.Port, e.ID, e.Addr, e.Name, e.Online, e.SinceMs / 1000}) // a copy has seconds
		}
		return k
	}
	until(r.t, "one table everywhere: "+what, func() bool {
		var all [][]key
		for _, n := range r.Nodes() {
			if r.Running(n.ID) {
				table, err := (&client.Client{Base: n.API}).FNPTable(r.ctx, 0, 1000)
				if err != nil {
					return false
				}
				all = append(all, keys(table.Stations))
			}
		}
		for _, p := range stations {
			all = append(all, keys(p.tell("table", "table").Stations))
		}
		for _, k := range all {
			if len(k) == 0 || !slices.Equal(k, all[0]) {
				return false
			}
		}
		return true
	})
}

// entry is what a node says of a station; not known at all: zero.
func (r *fnpRig) entry(id uint64) api.FNPEntry {
	e, _ := r.Client().FNPEntry(r.ctx, id)
	return e
}

func (r *fnpRig) endpointOwner() string {
	r.t.Helper()
	st, err := r.Client().FNP(r.ctx)
	if err != nil || st.Endpoint == nil {
		r.t.Fatalf("%+v, %v", st, err)
	}
	return st.Endpoint.Owner
}

// endpointKept waits until all nodes that run have a message that the endpoint has got.
func (r *fnpRig) endpointKept(data string) {
	r.t.Helper()
	for _, n := range r.Nodes() {
		if !r.Running(n.ID) {
			continue
		}
		until(r.t, fmt.Sprintf("%.20q kept on %s", data, n.ID), func() bool {
			m, err := (&client.Client{Base: n.API}).FNPMessages(r.ctx, 0, 1000)
			return err == nil && slices.ContainsFunc(m.Messages, func(m api.FNPReceived) bool { return string(m.Data) == data })
		})
	}
}

// TestFNP takes a network of real processes through its life.
func TestFNP(t *testing.T) {
	r := newFNPRig(t)

	// In an order that leaves to each what it needs.
	for _, part := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"data", r.data}, {"two stations with one id", r.clash}, {"wrong key", r.wrongKey},
		{"killed leader", r.killedLeader}, {"moved endpoint", r.movedEndpoint}, {"killed owner", r.killedOwner}, {"leave", r.leave}, {"no centre", r.noCentre},
	} {
		if !t.Run(part.name, func(t *testing.T) {
			begun := time.Now()
			r.t, r.pump.t, r.fan.t = t, t, t
			part.run(t)
			t.Logf("took %v", time.Since(begun).Round(10*time.Millisecond))
		}) {
			break
		}
		r.t, r.pump.t, r.fan.t = t, t, t
	}
}

func (r *fnpRig) data(t *testing.T) {
	r.pump.tell("acknowledged", "send 1002 by id")
	r.fan.received("by id")
	r.fan.tell("acknowledged", "send-cn %d by channel", r.entry(1001).CN)
	r.pump.received("by channel")

	// To the pair and from it, asked of the witness.
	r.pump.tell("acknowledged", "send %d to the pair", rig.FNPEndpoint)
	r.endpointKept("to the pair")
	if out := r.fepha(cli.ExitDone, "fnp", "messages"); !strings.Contains(out, "to the pair") {
		t.Errorf("messages:\n%s", out)
	}
	r.fepha(cli.ExitDone, "fnp", "send", "--to", "1001", "from the pair")
	r.pump.received("from the pair")
	r.fepha(cli.ExitDone, "fnp", "send", "--cn", fmt.Sprint(r.entry(1002).CN), "from the pair by channel")
	r.fan.received("from the pair by channel")

	// As much as goes into one message.
	whole := strings.Repeat("0123456789abcdef", channeltab.MaxMessage/16)
	file := filepath.Join(t.TempDir(), "whole")
	if err := os.WriteFile(file, []byte(whole), 0o644); err != nil {
		t.Fatal(err)
	}
	r.fepha(cli.ExitDone, "fnp", "send", "--to", "1001", "--file", file)
	r.pump.received(whole)
	r.pump.tell("acknowledged", "file %d %s", rig.FNPEndpoint, file)
	r.endpointKept(whole)
	if err := os.WriteFile(file, []byte(whole+"x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := r.fepha(cli.ExitUsage, "fnp", "send", "--to", "1001", "--file", file); !strings.Contains(out, "at most 65536") {
		t.Errorf("too much: %s", out)
	}

	// What the table does not have is an error of its own.
	if out := r.fepha(cli.ExitFailed, "fnp", "send", "--to", "77", "x"); !strings.Contains(out, "unknown station id: 77") {
		t.Errorf("unknown id: %s", out)
	}
	if e := r.pump.tell("failed", "send 77 x"); e.Code != string(api.CodeNotFound) {
		t.Errorf("unknown id: %+v", e)
	}
	if out := r.fepha(cli.ExitFailed, "fnp", "send", "--cn", "999", "x"); !strings.Contains(out, "unassigned channel number: 999") {
		t.Errorf("unknown channel: %s", out)
	}
	r.fepha(cli.ExitUsage, "fnp", "send", "x")
	r.fepha(cli.ExitUsage, "fnp", "show", "pump")
	r.fepha(cli.ExitFailed, "fnp", "show", "77")
}

func (r *fnpRig) clash(t *testing.T) {
	second := startStation(t, r.file(1001, "twin", ""))
	second.said(0, "refused", func(e fnpcmd.StationEvent) bool { return e.State == "refused" && e.Outcome == "clash" })
	until(t, "both shown", func() bool {
		e := r.entry(1001)
		return e.Online && e.Name == "pump" && e.Contested && e.Rival != nil && e.Rival.Name == "twin"
	})
	if out := r.fepha(cli.ExitDone, "fnp", "show", "1001"); !strings.Contains(out, "pump") || !strings.Contains(out, `claimed by "twin" at 127.0.0.1:`) {
		t.Errorf("show:\n%s", out)
	}
	if err := second.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	r.pump.tell("acknowledged", "send 1002 mine is the id still")
}

func (r *fnpRig) wrongKey(t *testing.T) {
	key := filepath.Join(t.TempDir(), "wrong.key")
	if err := os.WriteFile(key, []byte("1:"+strings.Repeat("5a", channeltab.KeySize)), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startStation(t, r.file(1009, "stranger", key))
	until(t, "its datagrams counted", func() bool {
		st, err := r.Client().FNP(r.ctx)
		return err == nil && st.Centre.Counters["wrong_key"] > 0
	})
	if e := r.entry(1009); e.ID != 0 {
		t.Errorf("in the table: %+v", e)
	}
	_ = p.end(syscall.SIGKILL)
}

// movesTo waits until the endpoint is at another address in a copy, and returns how long after its owner was given it.
func (r *fnpRig) movesTo(from string) time.Duration {
	r.t.Helper()
	address := netip.MustParseAddrPort(r.FNPEndpoints()[map[string]int{"fep1": 1, "fep2": 0}[from]])
	until(r.t, "the new address in the copy", func() bool {
		for e := range slices.Values(r.observer.Table()) {
			if !e.Online {
				r.t.Errorf("station %d is offline in the copy", e.ID)
			}
		}
		e, ok := r.observer.Lookup(rig.FNPEndpoint)
		return ok && e.Address == address
	})
	now := time.Now()
	st, err := r.Client().FNP(r.ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	return now.Sub(time.UnixMilli(st.Endpoint.SinceMs))
}

// moveBound is what a change of the endpoint's address may take until a copy has it: a second in a plant. The race
// detector and a busy machine are allowed for.
const moveBound = 2 * time.Second

func (r *fnpRig) killedLeader(t *testing.T) {
	st, err := r.WaitFor(r.ctx, "a FEP to lead and own the endpoint", func(st api.Status) bool { return st.Leader == r.endpointOwner() })
	if err != nil {
		t.Fatal(err)
	}
	victim := st.Leader
	killed := time.Now()
	if err := r.Kill(victim); err != nil {
		t.Fatal(err)
	}
	took := r.movesTo(victim)
	t.Logf("%s killed: the new address was in the copy %v after that, %v after the change of owner", victim, time.Since(killed).Round(time.Millisecond), took)
	if took > moveBound {
		t.Errorf("the new address was in the copy after %v", took)
	}
	r.pump.tell("acknowledged", "send %d after the kill", rig.FNPEndpoint)
	r.endpointKept("after the kill")
	r.fepha(cli.ExitDone, "fnp", "send", "--to", "1002", "from the other FEP")
	r.fan.received("from the other FEP")
	if err := r.Start(victim); err != nil {
		t.Fatal(err)
	}
	r.tables("the killed node is back", r.pump, r.fan)
	for _, e := range r.observer.Table() {
		if !e.Online {
			t.Errorf("station %d went offline", e.ID)
		}
	}
}

func (r *fnpRig) movedEndpoint(t *testing.T) {
	owner := r.endpointOwner()
	other := map[string]string{"fep1": "fep2", "fep2": "fep1"}[owner]
	until(t, "leadership on the other FEP", func() bool {
		_, err := r.Client().Transfer(r.ctx, other)
		return err == nil
	})
	if took := r.movesTo(owner); took > moveBound {
		t.Errorf("the new address was in the copy after %v", took)
	}
	r.pump.tell("acknowledged", "send %d after the move", rig.FNPEndpoint)
	r.endpointKept("after the move")
}

// killedOwner kills the endpoint's owner in the middle of 50 messages to it: each that was acknowledged is on all nodes that
// live, once.
func (r *fnpRig) killedOwner(t *testing.T) {
	victim := r.endpointOwner()
	texts := make(chan string, 50)
	for i := range cap(texts) {
		texts <- fmt.Sprintf("message %d across the kill", i+1)
	}
	close(texts)
	var mu sync.Mutex
	acked := map[string]bool{}
	var sending sync.WaitGroup
	for range 5 {
		sending.Go(func() {
			for text := range texts {
				err := r.observer.SendDataByID(r.ctx, rig.FNPEndpoint, []byte(text), channeltab.AnyOrder)
				mu.Lock()
				if err == nil {
					acked[text] = true
				} else if !errors.Is(err, channeltab.ErrNotAcknowledged) {
					t.Errorf("%s: %v", text, err)
				}
				mu.Unlock()
			}
		})
	}
	until(t, "some are acknowledged", func() bool { mu.Lock(); defer mu.Unlock(); return len(acked) >= 15 })
	if err := r.Kill(victim); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	before := len(acked)
	mu.Unlock()
	sending.Wait()
	t.Logf("%d of 50 messages acknowledged, %d of them before %s was killed", len(acked), before, victim)
	if before == 50 || len(acked) <= before {
		t.Errorf("%d of 50 messages acknowledged, %d before the kill, which was to be in the middle", len(acked), before)
	}
	r.pump.tell("acknowledged", "send %d after all of them", rig.FNPEndpoint)
	r.endpointKept("after all of them") // and so what was committed before it
	for _, n := range r.Nodes() {
		if n.ID == victim {
			continue
		}
		var kept api.FNPMessages
		out, _ := fepha(t, cli.ExitDone, "fnp", "messages", "--json", "--addr", n.API)
		if err := json.Unmarshal([]byte(out), &kept); err != nil {
			t.Fatal(err)
		}
		times := map[string]int{}
		for _, m := range kept.Messages {
			times[string(m.Data)]++
		}
		for text := range acked {
			if times[text] == 0 {
				t.Errorf("%q was acknowledged, but %s has lost it", text, n.ID)
			}
		}
		for text, count := range times {
			if count > 1 && strings.HasSuffix(text, "across the kill") {
				t.Errorf("%q is %d times on %s", text, count, n.ID)
			}
		}
	}
	if err := r.Start(victim); err != nil {
		t.Fatal(err)
	}
	r.tables("the killed node is back", r.pump, r.fan)
	r.endpointKept("message 1 across the kill") // it has caught up
}

func (r *fnpRig) leave(t *testing.T) {
	begun := time.Now()
	r.fan.tell("left", "leave")
	until(t, "offline", func() bool { e := r.entry(1002); return e.ID == 1002 && !e.Online })
	t.Logf("offline %v after the leave", time.Since(begun).Round(time.Millisecond))
	if err := r.fan.end(syscall.SIGTERM); err != nil {
		t.Errorf("%v: %s", err, &r.fan.errs)
	}
	// An operator may say it of a station too; one that is alive comes back.
	if out := r.fepha(cli.ExitDone, "fnp", "leave", "1001"); !strings.Contains(out, "offline") {
		t.Errorf("leave:\n%s", out)
	}
	r.tables("one has left", r.pump)
	r.fepha(cli.ExitFailed, "fnp", "leave", "77")
}

func (r *fnpRig) noCentre(t *testing.T) {
	if err := r.KillAll(); err != nil {
		t.Fatal(err)
	}
	if e := r.pump.tell("table", "table"); len(e.Stations) != 4 {
		t.Errorf("%d stations in the copy, want 4", len(e.Stations))
	}
	r.pump.tell("acknowledged", "send 1003 without a centre")
	got, err := r.observer.Receive(r.ctx)
	if err != nil || string(got.Payload) != "without a centre" || got.From != chantable.ID(1001) {
		t.Errorf("%+v, %v", got, err)
	}
	if e := r.pump.tell("failed", "send 1002 is anyone there"); e.Code != string(api.CodePeerOff) {
		t.Errorf("to a station that is off: %+v", e)
	}
}
