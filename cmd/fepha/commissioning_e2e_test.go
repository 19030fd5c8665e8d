package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/iec104/asdu"
)

// A value given by hand is what the control centre sees, marked, whatever the device says, also after its owner's end and the
// interrogation by the other FEP; the device's own comes back at release. The check of points goes on meanwhile, and keeps its progress.
func TestCommissioningThroughATakeover(t *testing.T) {
	seen := &objects{last: map[asdu.InformationObjectAddress]asdu.Object{}}
	s, ctx := newStation(t, rig.Options{Mode: "main-standby", OnASDU: seen.take})
	addr := "--addr=" + s.Node("wit").API
	device := s.Devices[0]
	var points []api.Point
	eventually(t, "the points of the device", func() bool {
		one := uint32(1)
		page, err := s.Client().Points(ctx, client.PointQuery{RTU: &one, Kind: "di"})
		points = page.Points
		return err == nil && len(points) == 16
	})
	key := func(i int) string { return fmt.Sprintf("1/di/%d", points[i].Point) }
	at := func(i int) asdu.InformationObjectAddress {
		return asdu.InformationObjectAddress(points[i].Uplinks[0].IOA)
	}
	ioa := func(i int) asdu.InformationObjectAddress { // of the device
		for a := asdu.InformationObjectAddress(1); a <= 16; a++ {
			if s.UplinkAddress(0, a) == at(i) {
				return a
			}
		}
		t.Fatalf("no address of the device for %v", points[i])
		return 0
	}
	change := func(i int, v float64) {
		t.Helper()
		if err := device.Change(asdu.M_SP_TB_1, time.Now(), asdu.Object{Address: ioa(i), Value: v}); err != nil {
			t.Fatal(err)
		}
	}
	sees := func(what string, i int, value float64, quality uint8) {
		t.Helper()
		eventually(t, what, func() bool {
			o, ok := seen.of(at(i))
			return ok && o.Value == value && o.Quality == quality
		})
	}

	fepha(t, cli.ExitDone, "point", "check", "start", "1", addr)
	fepha(t, cli.ExitUsage, "point", "substitute", key(0), "on", addr) // no reason
	fepha(t, cli.ExitDone, "point", "substitute", key(0), "on", "--reason=contact broken", addr)
	sees("the value by hand", 0, 1, asdu.SB)
	change(0, 1)
	change(0, 0)
	fepha(t, cli.ExitDone, "point", "block", key(1), "--reason=test", addr)
	sees("the blocked value", 1, 0, asdu.BL)
	change(1, 1)
	change(2, 1)
	check := func() (k api.Check) {
		t.Helper()
		out, _ := fepha(t, cli.ExitDone, "point", "check", "report", "1", addr, "--json")
		if err := json.Unmarshal([]byte(out), &k); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return k
	}
	stateOf := func(i int) string {
		for _, item := range check().Items {
			if item.Kind == "di" && item.Point == points[i].Point {
				return item.State
			}
		}
		return ""
	}
	eventually(t, "the third point to be acknowledged", func() bool { return stateOf(2) == api.CheckDone })
	fepha(t, cli.ExitDone, "point", "check", "tick", key(3), "--remark=seen on the panel", addr)
	eventually(t, "the conditions", func() bool {
		out, _ := fepha(t, cli.ExitDone, "condition", "list", addr)
		return strings.Contains(out, "contact broken") && strings.Contains(out, "is blocked by")
	})

	st, err := s.Client().Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	owner := st.RTUs[0].Owner
	if err := s.Kill(owner); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WaitFor(ctx, "the other FEP", func(st api.Status) bool { return rig.Complete(st) && st.RTUs[0].Owner != owner }); err != nil {
		t.Fatal(err)
	}
	other := s.Node(map[string]string{"fep1": "fep2", "fep2": "fep1"}[owner])
	eventually(t, "the device's answer to the other FEP", func() bool {
		table, err := other.Client().Table(ctx, 1)
		return err == nil && table.Asked
	})
	sees("the value by hand after the takeover", 0, 1, asdu.SB)
	sees("the blocked value after the takeover", 1, 0, asdu.BL)
	k := check()
	if stateOf(2) != api.CheckDone || stateOf(3) != api.CheckByHand || k.Done != 2 || k.Points == 0 {
		t.Errorf("after the takeover: %+v", k)
	}

	fepha(t, cli.ExitDone, "point", "release", key(0), addr)
	sees("the device's value", 0, 0, 0)
	fepha(t, cli.ExitDone, "point", "release", key(1), addr)
	sees("the device's value", 1, 1, 0)
	eventually(t, "no such condition", func() bool {
		out, _ := fepha(t, cli.ExitDone, "condition", "list", addr)
		return !strings.Contains(out, "contact broken") && !strings.Contains(out, "is blocked by")
	})

	out, _ := fepha(t, cli.ExitDone, "point", "check", "list", "1", "--open", addr)
	if !strings.Contains(out, "2 of ") || strings.Contains(out, "seen on the panel") {
		t.Errorf("what is open:\n%s", out)
	}
	out, _ = fepha(t, cli.ExitDone, "point", "check", "report", "1", addr)
	if !strings.Contains(out, "seen on the panel") || !strings.Contains(out, "acknowledged after") {
		t.Errorf("the report:\n%s", out)
	}
	fepha(t, cli.ExitDone, "point", "check", "end", "1", "--discard", addr)

	list := filepath.Join(t.TempDir(), "centre.csv")
	if err := os.WriteFile(list, []byte(fmt.Sprintf("ioa,name\n%d,%s\n999999,unknown\n", at(0), points[0].Name)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ = fepha(t, cli.ExitFailed, "point", "check", "compare", "occ", list, addr)
	if !strings.Contains(out, "1 the same") || !strings.Contains(out, "999999") {
		t.Errorf("the comparison:\n%s", out)
	}
}

// objects are what the control centre was told last of each object.
type objects struct {
	mu   sync.Mutex
	last map[asdu.InformationObjectAddress]asdu.Object
}

func (x *objects) take(_ string, a asdu.ASDU) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for o := range a.Objects() {
		x.last[o.Address] = o
	}
}

func (x *objects) of(a asdu.InformationObjectAddress) (o asdu.Object, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	o, ok = x.last[a]
	return o, ok
}
