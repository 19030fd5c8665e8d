package main

import (
	"flag"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/channeltab"
	"github.com/fepha/fepha/channeltab/channeltabtest"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/cmd/fepha/internal/fnpcmd"
	"github.com/fepha/fepha/cmd/fepha/internal/trialcmd"
	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/fsm/chantable"
)

var slowFNP = flag.Bool("fnp.slow", false, "run TestFNPHigherCentre and TestFNPStorm, which take a minute each")

// TestFNPHigherCentre: a centre of a higher level appears on the network and goes away again.
func TestFNPHigherCentre(t *testing.T) {
	if !*slowFNP {
		t.Skip("takes a minute; run with -fnp.slow")
	}
	s, ctx := newStation(t, rig.Options{FNP: true})
	r := &fnpRig{Station: s, t: t, ctx: ctx}
	r.pump = startStation(t, r.file(1001, "pump", ""))
	r.pump.registered()

	cfg, err := fnpcmd.StationConfig(r.file(1002, "unused", ""))
	if err != nil {
		t.Fatal(err)
	}
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := netip.MustParseAddrPort(u.LocalAddr().String())
	u.Close()
	memory := channeltabtest.NewMemory()
	higher, err := channeltab.OpenCentre(channeltab.CentreConfig{
		ID: 800, Name: "higher", Level: 9, Node: "x", Nodes: map[string]netip.AddrPort{"x": address}, Multicast: cfg.Multicast, Keys: cfg.Keys, Registry: memory.Node("x"),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer higher.Close()
	memory.Elect("x")
	leader := func() *client.Client {
		st, err := s.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return &client.Client{Base: s.Node(st.Leader).API}
	}
	defers := func() bool { st, err := leader().FNP(ctx); return err == nil && st.Centre.Defers }
	until(t, "deferred to", defers)
	atHigher := func() bool {
		online := map[chantable.ID]bool{}
		for _, e := range higher.Table() {
			online[e.ID] = e.Online
		}
		return online[1001] && online[rig.FNPEndpoint] && online[rig.FNPCentre]
	}
	until(t, "all at the higher centre", atHigher)
	if e, err := leader().FNPEntry(ctx, rig.FNPCentre); err != nil || e.Level != 1 {
		t.Errorf("the table that is shown is not the higher centre's: %+v, %v", e, err)
	}
	until(t, "the endpoint in the pump's copy of the higher centre's table", func() bool {
		return slices.ContainsFunc(r.pump.tell("table", "table").Stations, func(e api.FNPEntry) bool { return e.ID == rig.FNPEndpoint })
	})
	r.pump.tell("acknowledged", "send %d under the higher one", rig.FNPEndpoint)
	r.endpointKept("under the higher one")

	begun := time.Now()
	if err := higher.Close(); err != nil {
		t.Fatal(err)
	}
	r.pump.tell("acknowledged", "send %d without any", rig.FNPEndpoint)
	untilWithin(t, 90*time.Second, "taken over", func() bool { return !defers() }) // after 30 s of silence
	t.Logf("taken over after %v", time.Since(begun).Round(time.Second))
	until(t, "all at home again", func() bool { return r.entry(1001).Online && r.entry(rig.FNPEndpoint).Online })
	r.pump.tell("acknowledged", "send %d at home again", rig.FNPEndpoint)
}

// TestFNPKeyFile: a node with a key file that can't be used does not start.
func TestFNPKeyFile(t *testing.T) {
	if testing.Short() {
		t.Skip("end-to-end")
	}
	s, err := rig.New(rig.Options{Binary: binary, Dir: t.TempDir(), FNP: true, RTUs: []rig.RTU{{Number: 1, Name: "device", CommonAddress: 1, Points: trialcmd.DemoPoints()}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	config, key := s.Node("fep1").Config(), filepath.Join(filepath.Dir(s.Node("fep1").Config()), "fnp.key")
	secret := strings.Repeat("ab", channeltab.KeySize)
	for _, tt := range []struct {
		name, text string
		mode       os.FileMode
		want       string
	}{
		{"readable by all", "1:" + secret, 0o644, "has mode 0644, want 0600 or 0640"},
		{"too short", "1:" + secret[:60], 0o600, "line 1: 60 hex digits, want 64"},
		{"missing", "", 0, "no such file"},
	} {
		if err := os.Remove(key); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if tt.text != "" {
			if err := os.WriteFile(key, []byte(tt.text), tt.mode); err != nil {
				t.Fatal(err)
			}
		}
		_, errs := fepha(t, cli.ExitConfig, "node", "--config", config, "--id", "fep1", "--data-dir", t.TempDir())
		if !strings.Contains(errs, tt.want) || strings.Contains(errs, secret[:20]) {
			t.Errorf("%s: %s", tt.name, errs)
		}
	}
}
