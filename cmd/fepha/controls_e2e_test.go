package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/sim"
)

// Every type of command, from everywhere, direct and selected, is executed
// once, and the list says who asked for it.
func TestControlsOfEveryType(t *testing.T) {
	o, ctx := newOperatedStation(t)
	n := 0
	for i, typ := range outputTypes {
		place := asdu.InformationObjectAddress(i)
		for _, by := range []string{"uplink", "uplink, with time tag", "wit", "redis"} {
			for _, selects := range []bool{false, true} {
				output := plainOutput
				if selects {
					output = selectOutput
				}
				if selects && typ.Untimed() == asdu.C_BO_NA_1 {
					continue // has no S/E bit
				}
				n++
				or := newOrder(output+place, n, selects)
				before := len(o.s.Devices[0].Operations())
				if out := o.give(ctx, by, or); !out.ok {
					t.Errorf("%v, %s, select %t: %v", typ, by, selects, out.err)
					continue
				}
				did := o.s.Devices[0].Operations()[before:]
				if len(did) != 1 || did[0].Address != or.ioa || did[0].Type != typ || float32(did[0].Value) != float32(or.value) {
					t.Errorf("%v, %s, select %t: operated %+v, want value %g once", typ, by, selects, did, or.value)
				}
			}
		}
		if typ.Untimed() == asdu.C_BO_NA_1 {
			continue
		}
		n++
		if out := o.give(ctx, "uplink", newOrder(selectOutput+place, n, false)); out.ok {
			t.Errorf("%v: operated without the selection that it needs", typ)
		}
	}
	o.audit(t, ctx)

	list, _ := fepha(t, cli.ExitDone, "control", "list", "--limit=1000", "--addr="+o.s.Nodes()[0].API)
	for _, origin := range []string{"uplink/occ/occ", "redis:order-1", "api:"} {
		if !strings.Contains(list, origin) {
			t.Errorf("control list has nothing of %q:\n%s", origin, list)
		}
	}
	controls, err := o.s.Client().Controls(ctx, 1, 1000)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range controls {
		seen[c.Category] = true
	}
	for _, want := range []string{"DO", "AO", "20", "26", "27", "29"} {
		if !seen[want] {
			t.Errorf("no control of category %s was executed", want)
		}
	}
}

// What is stale, late, of nobody's selection or of no such point is refused,
// and nothing is operated.
func TestControlsThatAreRefused(t *testing.T) {
	o, ctx := newOperatedStation(t)
	stale := o.command("uplink, with time tag", newOrder(plainOutput, 1, false))
	stale.Object.Time = asdu.NewCP56Time2a(time.Now().Add(-time.Minute), time.UTC)
	invalid := stale
	invalid.Object.Time = asdu.NewCP56Time2a(time.Now(), time.UTC).WithInvalid(true)
	selected := o.command("uplink", newOrder(plainOutput, 1, false))
	selected.Object.Qualifier |= asdu.SelectBit
	selected.AwaitTermination = false
	other := o.command("uplink", newOrder(plainOutput, 2, false))
	unknown := o.command("uplink", newOrder(plainOutput, 1, false))
	unknown.Object.Address = 99

	refused := func(what string, c iec104.Command) {
		t.Helper()
		if _, ok := errors.AsType[*iec104.NegativeError](o.s.Centre.Command(ctx, c)); !ok {
			t.Errorf("%s was not refused", what)
		}
	}
	refused("a stale time tag", stale)
	refused("an invalid time tag", invalid)
	refused("an object that is not there", unknown)

	if err := o.s.Centre.Command(ctx, selected); err != nil {
		t.Fatal(err)
	}
	_, err := o.s.Client().Control(ctx, api.ControlRequest{RTU: 1, Kind: "do", Point: uint32(plainOutput), State: "on"})
	if e, ok := errors.AsType[*api.Error](err); !ok || !strings.Contains(e.Message, "selected by uplink/occ/occ") {
		t.Errorf("operating what another has selected: %v", err)
	}
	refused("an execute with another value", other)

	// Selected, and then the link is lost: the next one has no selection.
	sbo := o.command("uplink", newOrder(selectOutput, 1, false))
	sbo.Object.Qualifier |= asdu.SelectBit
	sbo.AwaitTermination = false
	if err := o.s.Centre.Command(ctx, sbo); err != nil {
		t.Fatal(err)
	}
	starts := o.s.Centre.Starts()
	o.s.Centre.Drop()
	eventually(t, "the next link", func() bool { return o.s.Centre.Starts() > starts })
	sbo.Object.Qualifier &^= asdu.SelectBit
	refused("an execute after the link was lost", sbo)

	// Selected, and then the RTU moves.
	sbo.Object.Qualifier |= asdu.SelectBit
	eventually(t, "the selection", func() bool { return o.s.Centre.Command(ctx, sbo) == nil })
	moved, err := o.s.Client().Failover(ctx, 1, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.s.WaitFor(ctx, "the move", func(st api.Status) bool { return rig.Complete(st) && st.RTUs[0].Owner == moved.To }); err != nil {
		t.Fatal(err)
	}
	sbo.Object.Qualifier &^= asdu.SelectBit
	refused("an execute after the RTU has moved", sbo)

	if did := o.s.Devices[0].Operations(); len(did) > 0 {
		t.Errorf("operated: %+v", did)
	}
}

// At most once, whenever something fails: the device is sent nothing twice, and
// who asked gets one answer, if there is a link to give it on.
func TestControlsThroughFailures(t *testing.T) {
	o, ctx := newOperatedStation(t)
	device := o.s.Devices[0]
	const slow = 700 * time.Millisecond
	kill := func(node func(api.Status) string) func(*testing.T) {
		return func(t *testing.T) {
			st, err := o.s.Status(ctx)
			if err != nil {
				t.Fatal(err)
			}
			id := node(st)
			if err := o.s.Kill(id); err != nil {
				t.Fatal(err)
			}
			if err := o.s.Start(id); err != nil {
				t.Fatal(err)
			}
		}
	}
	owner := kill(func(st api.Status) string { return st.RTUs[0].Owner })
	leader := kill(func(st api.Status) string { return st.Leader })
	drop := func(*testing.T) { o.s.Centre.Drop() }
	const before, during, after = "before the answer", "between confirmation and end", "after the end"
	for i, tc := range []struct {
		what  string
		fault func(*testing.T)
		when  string
		by    string
	}{
		{"owner killed", owner, before, "wit"},
		{"owner killed", owner, before, "uplink"},
		{"owner killed", owner, during, "wit"},
		{"owner killed", owner, after, "redis"},
		{"leader killed", leader, before, "redis"},
		{"leader killed", leader, during, "wit"},
		{"uplink lost", drop, before, "uplink"},
		{"uplink lost", drop, during, "uplink"},
	} {
		t.Run(fmt.Sprintf("%s %s, by %s", tc.what, tc.when, tc.by), func(t *testing.T) {
			if _, err := o.s.WaitFor(ctx, "a whole station", func(st api.Status) bool {
				return rig.Complete(st) && st.Nodes[0].Alive && st.Nodes[1].Alive && st.Nodes[2].Alive
			}); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the uplink", func() bool { return o.s.Centre.Main() != "" })
			o.allDone(t, ctx) // the point is busy until then
			device.SetManner(sim.Manner{Confirm: slow, Terminate: slow})
			ops := len(device.Operations())
			or := newOrder(plainOutput+8, 1000+i, i%2 == 1) // C_SE_NC_1
			answered := make(chan outcome, 1)
			go func() { answered <- o.give(ctx, tc.by, or) }()
			eventually(t, "the device to operate", func() bool { return len(device.Operations()) > ops })
			var out outcome
			switch tc.when {
			case during:
				eventually(t, "the confirmation", func() bool {
					list, err := o.s.Client().Controls(ctx, 1, 1)
					return err == nil && len(list) == 1 && list[0].Stage == "confirmed"
				})
			case after:
				out = <-answered
			}
			tc.fault(t)
			device.SetManner(sim.Manner{})
			if tc.when != after {
				out = <-answered
			}
			t.Logf("answer: ok %t, %v", out.ok, out.err)
			if tc.when == after && !out.ok {
				t.Errorf("not done: %v", out.err)
			}
		})
	}
	if _, err := o.s.WaitFor(ctx, "a whole station", rig.Complete); err != nil {
		t.Fatal(err)
	}
	o.audit(t, ctx)
}
