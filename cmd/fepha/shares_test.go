package main

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/fepha/internal/trialcmd"
	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

// A device that sends without end while the control centre is away costs a good one nothing, and what it loses itself is
// counted.
func TestBabblingDeviceTakesNothingFromAGoodOne(t *testing.T) {
	const retain = 2000
	s, ctx := newStation(t, rig.Options{Retain: retain, NoCentre: true, RTUs: []rig.RTU{
		{Number: 1, Name: "good", CommonAddress: 1, Points: trialcmd.DemoPoints()},
		{Number: 2, Name: "babbler", CommonAddress: 2, Points: trialcmd.DemoPoints()},
	}})
	good, babbler := s.Devices[0], s.Devices[1]
	stop := s.Simulate(func(ctx context.Context) {
		var emitting sync.WaitGroup
		emitting.Go(func() { good.Emit(ctx, 30, 1) })
		emitting.Go(func() { babbler.Emit(ctx, 100_000, 10) })
		emitting.Wait()
	})
	_, err := s.WaitFor(ctx, "the journal to be filled several times", func(st api.Status) bool {
		return st.Journal.Last > 4*retain && good.Sent.Len() > 200
	})
	stop()
	if err != nil {
		t.Fatal(err)
	}
	st, err := s.WaitFor(ctx, "what the good one has sent to be committed", func(api.Status) bool { return good.Unacknowledged() == 0 })
	if err != nil {
		t.Fatal(err)
	}
	if st.Journal.Events > retain {
		t.Errorf("%d events are kept of %d", st.Journal.Events, retain)
	}
	s.StartCentre()
	st, err = s.WaitFor(ctx, "the control centre to have what the good one sent", func(api.Status) bool { return len(s.Lost(0)) == 0 })
	if err != nil {
		t.Fatalf("%d of %d events of the good device are lost: %v", len(s.Lost(0)), good.Sent.Len(), err)
	}
	if st.Uplinks[0].Dropped < 2*retain {
		t.Errorf("%d dropped events are counted, the journal was filled several times", st.Uplinks[0].Dropped)
	}
	t.Logf("%d events of the good one, 0 lost; %d of the babbler's dropped and counted", good.Sent.Len(), st.Uplinks[0].Dropped)
}

// A client in range that sends commands in a loop takes no room from an operator, and is told of in bulk.
func TestFloodOfControlsLeavesRoomForAnOperator(t *testing.T) {
	s, ctx := newStation(t, rig.Options{NoCentre: true, RTUs: []rig.RTU{operatedDevice()}})
	client := s.Nodes()[0].Client()
	before, err := client.NewestAudit(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	hostile, err := iec104.Dial(ctx, iec104.ClientConfig{Address: s.Uplinks()[1]})
	if err != nil {
		t.Fatal(err)
	}
	defer hostile.Close()
	if err := hostile.StartDT(ctx); err != nil {
		t.Fatal(err)
	}
	flooding, end := context.WithCancel(ctx)
	var flood sync.WaitGroup
	var asked, refused atomic.Uint64
	for i := range 8 { // each has an output of its own
		flood.Go(func() {
			for flooding.Err() == nil && hostile.Err() == nil {
				o := newOrder(plainOutput+1+asdu.InformationObjectAddress(i), int(asked.Add(1)), false)
				c := iec104.Command{CommonAddress: 100, Type: o.typ.Untimed(), Object: asdu.Object{
					Address: s.UplinkAddress(0, o.ioa), Value: o.value, Qualifier: asdu.SelectBit,
				}}
				if _, negative := errors.AsType[*iec104.NegativeError](hostile.Command(flooding, c)); negative {
					refused.Add(1)
				}
			}
		})
	}
	if _, err := s.WaitFor(ctx, "a flood", func(api.Status) bool { return refused.Load() > 2000 || hostile.Err() != nil }); err != nil {
		t.Fatal(err)
	}
	value := 1.0
	for i := range 8 {
		c, err := client.Control(ctx, api.ControlRequest{RTU: 1, Kind: "do", Point: uint32(plainOutput), Value: &value, TimeoutMs: 3000})
		if err != nil || !c.OK {
			t.Errorf("operator's control %d beside the flood: %+v, %v", i, c, err)
		}
	}
	end()
	flood.Wait()
	page, err := client.NewestAudit(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	entries := page.Last - before.Last
	if most := 4*uint64(250)*uint64(1+time.Minute/(10*time.Second)) + 100; entries > most {
		t.Errorf("%d entries of the audit for %d commands, of which %d were refused; want at most %d", entries, asked.Load(), refused.Load(), most)
	}
	told := false
	if err := client.EachAudit(ctx, before.Last, func(e api.AuditEntry) error {
		told = told || strings.Contains(e.Content, `"kind":"refused"`)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if !told {
		t.Error("nobody was told of what was refused")
	}
	t.Logf("%d commands, %d refused, %d entries of the audit", asked.Load(), refused.Load(), entries)
}
