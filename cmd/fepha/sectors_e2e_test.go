package main

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/fepha/internal/trialcmd"
	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/sim"
)

// behindOneLink are three RTUs of a concentrator, and one that has a link of its own. Two of them are in another sector of the
// uplink than the others.
func behindOneLink() []rig.RTU {
	points := trialcmd.DemoPoints()
	return []rig.RTU{
		{Number: 1, Name: "bay 1", CommonAddress: 11, Points: points},
		{Number: 2, Name: "bay 2", CommonAddress: 12, Points: points, Behind: 1, Sector: 101},
		{Number: 3, Name: "bay 3", CommonAddress: 13, Points: points, Behind: 1},
		{Number: 4, Name: "alone", CommonAddress: 11, Points: points, Sector: 101, Prefer: "fep2"},
	}
}

// The owner of a shared link is killed, twice: all RTUs behind it are with the other FEP in the same epoch, nothing that any of
// them has sent is lost, and no more comes twice than one window and 256 events.
func TestTakeoverOfASharedLink(t *testing.T) {
	s, ctx := newStation(t, rig.Options{RTUs: behindOneLink(), Mode: "main-standby", Judge: true})
	for _, d := range s.Devices {
		s.Simulate(func(ctx context.Context) { d.Emit(ctx, 100, 1) })
	}
	together := func(st api.Status) bool {
		return st.RTUs[1].Owner == st.RTUs[0].Owner && st.RTUs[1].Epoch == st.RTUs[0].Epoch &&
			st.RTUs[2].Owner == st.RTUs[0].Owner && st.RTUs[2].Epoch == st.RTUs[0].Epoch &&
			slices.Equal(st.RTUs[1].Sharing, []uint32{1, 2, 3}) && len(st.RTUs[3].Sharing) == 0
	}
	for range 2 {
		before, err := s.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		trial, err := s.KillOwner(ctx)
		if err != nil {
			t.Fatal(err)
		}
		after, err := s.WaitFor(ctx, "the sectors together", func(st api.Status) bool { return rig.Complete(st) && together(st) })
		if err != nil {
			t.Fatal(err)
		}
		if after.RTUs[0].Epoch <= before.RTUs[0].Epoch {
			t.Errorf("epoch %d after %d", after.RTUs[0].Epoch, before.RTUs[0].Epoch)
		}
		noneLost(t, trial.Lost)
		if trial.Repeated > 12+256 {
			t.Errorf("%d events came twice, at most one window of 12 and 256 may", trial.Repeated)
		}
		t.Logf("gap %v, %d repeated", trial.Gap, trial.Repeated)
	}
	for i, d := range s.Devices {
		if first, n := d.Violations(); n > 0 {
			t.Errorf("device %d had two masters, %d frames: %v", i+1, n, first)
		}
		if d.Sent.Len() == 0 {
			t.Errorf("device %d sent nothing", i+1)
		}
	}
}

// What a control centre asks all of an uplink's sectors, each answers with its own common address and its own points; a control
// of one sector goes to the RTU that is there, behind the shared link; and the tool tells of the common addresses.
func TestSectorsAnswerBroadcasts(t *testing.T) {
	s, ctx := newStation(t, rig.Options{RTUs: behindOneLink(), Mode: "main-standby", NoCentre: true})
	type answer struct {
		t     asdu.TypeID
		cause asdu.CauseOfTransmission
		of    asdu.CommonAddress
	}
	answers := make(chan answer, 10_000)
	st, err := s.WaitFor(ctx, "an owner", func(st api.Status) bool { return rig.Collects(st) })
	if err != nil {
		t.Fatal(err)
	}
	c, err := iec104.Dial(ctx, iec104.ClientConfig{Address: s.Uplinks()[0], Tap: func(dir iec104.Direction, _ time.Time, frame []byte) {
		if dir != iec104.Received || len(frame) <= 6 {
			return
		}
		if a, err := asdu.DefaultProfile.Parse(frame[6:]); err == nil {
			for range a.Objects() {
				answers <- answer{a.Type, a.Cause, a.CommonAddress}
			}
		}
	}})
	if err == nil {
		err = c.StartDT(ctx)
	}
	if err != nil {
		t.Fatalf("%v: %+v", err, st)
	}
	defer c.Close()
	got := map[answer]int{}
	come := func(want answer, times int) {
		t.Helper()
		for got[want] < times {
			select {
			case a := <-answers:
				got[a]++
			case <-ctx.Done():
				t.Fatalf("waited in vain for %v %d times: %v", want, times, got)
			}
		}
	}
	inputs := 0
	for _, p := range trialcmd.DemoPoints() {
		if p.Type.IsMonitor() {
			inputs++
		}
	}
	ask := func(what string, err error) {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	ask("interrogation", c.Interrogate(ctx, asdu.BroadcastAddress, asdu.QOIStation))
	ask("clock", c.SetClock(ctx, asdu.BroadcastAddress, time.Now()))
	ask("counters", c.CounterInterrogate(ctx, asdu.BroadcastAddress, asdu.RQTGeneral))
	for _, sector := range []asdu.CommonAddress{100, 101} {
		come(answer{asdu.M_EI_NA_1, asdu.Initialized, sector}, 1)
		come(answer{asdu.C_IC_NA_1, asdu.ActivationCon, sector}, 1)
		come(answer{asdu.M_SP_NA_1, asdu.InterrogatedStation, sector}, 2*inputs) // two RTUs each
		come(answer{asdu.C_IC_NA_1, asdu.ActivationTermination, sector}, 1)
		come(answer{asdu.C_CS_NA_1, asdu.ActivationCon, sector}, 1)
		come(answer{asdu.C_CI_NA_1, asdu.ActivationTermination, sector}, 1)
	}
	output := slices.IndexFunc(trialcmd.DemoPoints(), func(p sim.DevicePoint) bool { return p.Type.IsCommand() })
	control := iec104.Command{CommonAddress: 101, Type: asdu.C_SC_NA_1, AwaitTermination: true, Object: asdu.Object{Address: rig.UplinkAddress(2, output), Value: 1}}
	ask("control", c.Command(ctx, control))
	operated := []int{}
	for _, d := range s.Devices {
		operated = append(operated, len(d.Operations()))
	}
	if !slices.Equal(operated, []int{0, 1, 0, 0}) {
		t.Errorf("operated: %v, expected RTU 2 alone", operated)
	}
	control.CommonAddress = 100
	if err := c.Command(ctx, control); err == nil {
		t.Error("a control of another sector's point was done")
	}

	node := "--addr=" + s.Nodes()[0].API
	out, _ := fepha(t, 0, "rtu", "list", node)
	for _, ca := range []string{"11", "12", "13"} {
		if !strings.Contains(out, " "+ca+" ") {
			t.Errorf("fepha rtu list doesn't tell of common address %s:\n%s", ca, out)
		}
	}
	if out, _ = fepha(t, 0, "uplink", "list", node); !strings.Contains(out, "100, 101") {
		t.Errorf("fepha uplink list doesn't tell of its common addresses:\n%s", out)
	}
}
