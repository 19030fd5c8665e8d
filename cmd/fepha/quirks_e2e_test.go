package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/sim"
)

var walkQuirks = flag.String("quirks", "", "run TestQuirksOfDevices and TestQuirksOfCentres against stations: these quirks, with commas between, or all, which takes six minutes")

// walked are those of the quirks that -quirks asks for.
func walked(all []sim.Quirk) (asked []sim.Quirk) {
	for _, q := range all {
		if *walkQuirks == "all" || slices.Contains(strings.Split(*walkQuirks, ","), string(q)) {
			asked = append(asked, q)
		}
	}
	return asked
}

// quirkPoints are those of a peculiar device.
func quirkPoints() []sim.DevicePoint {
	return []sim.DevicePoint{
		{Address: 1, Type: asdu.M_SP_TB_1}, {Address: 2, Type: asdu.M_DP_TB_1}, {Address: 3, Type: asdu.M_ME_NC_1},
		{Address: 4, Type: asdu.M_ST_NA_1}, {Address: 5, Type: asdu.M_IT_NA_1}, {Address: 6, Type: asdu.M_SP_TB_1},
		{Address: 7, Type: asdu.M_PS_NA_1},
		{Address: 11, Type: asdu.C_SC_NA_1},
	}
}

// seen is what a node tells of a quirk's device.
type seen struct {
	number     uint32
	device     *sim.Device
	conditions []api.Condition
	client     *client.Client
	ctx        context.Context
}

// condition waits for one of the device's.
func condition(kind string) func(seen) bool {
	return func(x seen) bool {
		return has(api.Status{Conditions: x.conditions}, fmt.Sprintf("rtu.%d.%s", x.number, kind))
	}
}

// point waits until a point is as it should be.
func point(kind string, number uint32, is func(api.Point) bool) func(seen) bool {
	return func(x seen) bool {
		p, err := x.client.Point(x.ctx, x.number, kind, number)
		return err == nil && is(p)
	}
}

// control operates the output, and waits until that has ended so.
func control(reason string) func(seen) bool {
	return func(x seen) bool {
		c, err := x.client.Control(x.ctx, api.ControlRequest{RTU: x.number, Kind: "do", Point: 11, State: "on", TimeoutMs: 3000})
		return strings.Contains(fmt.Sprint(c.Reason, err), reason)
	}
}

// collected tells whether the device is collected from in spite of its quirk.
func collected(x seen) bool {
	p, err := x.client.Point(x.ctx, x.number, "di", 1)
	return err == nil && p.Quality == 0 && x.device.Sent.Len() > 0 && x.device.Unacknowledged() <= 1
}

// shows is what the station makes of each quirk of a device.
var shows = map[sim.Quirk]func(seen) bool{
	sim.NeverTerminates:  control("confirmed, not terminated"),
	sim.NeverConfirms:    control("no answer"),
	sim.SelectRequired:   control("refused"),
	sim.Malformed:        condition("unreadable"),
	sim.NoCause:          condition("unreadable"),
	sim.OtherAddress:     condition("common_address"),
	sim.UnknownObject:    condition("unknown_address"),
	sim.OtherType:        condition("other_type"),
	sim.PrivateType:      condition("unknown_type"),
	sim.TestBit:          condition("test_data"),
	sim.NotANumber:       point("ai", 3, func(p api.Point) bool { return p.Quality&asdu.IV != 0 }),
	sim.ProtectionEvents: point("di", 1, func(p api.Point) bool { return asdu.TypeID(p.Type) == asdu.M_EP_TD_1 && p.Value == 1 }),
	sim.Transient:        point("ai", 4, func(p api.Point) bool { return p.Transient }),
	sim.Bitstring:        point("ai", 3, func(p api.Point) bool { return asdu.TypeID(p.Type) == asdu.M_BO_NA_1 && p.Quality&asdu.IV != 0 }),
	sim.PackedPoints:     point("bitstring", 7, func(p api.Point) bool { return asdu.TypeID(p.Type) == asdu.M_PS_NA_1 && p.Value == 0x00010001 }),
	sim.Intermediate:     point("di", 2, func(p api.Point) bool { return asdu.TypeID(p.Type) == asdu.M_DP_NA_1 && p.Value == 0 }),
	sim.NoTime: point("di", 1, func(p api.Point) bool {
		return asdu.TypeID(p.Type) == asdu.M_SP_NA_1 && strings.Contains(p.TimeFlags, "substituted")
	}),
	sim.LosesEvents:          collected,
	sim.RefusesInterrogation: condition("interrogation_refused"),
	sim.IgnoresInterrogation: condition("interrogation_unanswered"),
	sim.EndlessInterrogation: condition("interrogation_incomplete"),
	sim.PartialInterrogation: condition("no_longer_answered"),
	sim.StuckCounters:        condition("counter_stuck"),
	sim.RefusesClock:         condition("clock_refused"),
	sim.WrongClock:           condition("device_clock"),
	sim.WrongZone:            condition("device_zone"),
	sim.EarlyData:            condition("protocol"),
	sim.OddFrames:            condition("protocol"),
	sim.StoppedFrames:        condition("protocol"),
	sim.KeepsOldLink:         condition("start_unconfirmed"),
	sim.OneClient:            condition("no_reserve"),
	sim.SmallWindow:          collected,
}

// Each quirk that a simulated device has is told by the station, or none of its data is lost by it. The page tells of each.
func TestQuirksOfDevices(t *testing.T) {
	page, err := os.ReadFile("../../docs/ACQUISITION.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range sim.DeviceQuirks() {
		if shows[q] == nil {
			t.Errorf("%s: nothing says what the station makes of it", q)
		}
		if !strings.Contains(string(page), "`"+string(q)+"`") {
			t.Errorf("docs/ACQUISITION.md says nothing of %s", q)
		}
	}
	quirks := walked(sim.DeviceQuirks())
	if len(quirks) == 0 {
		t.Skip("-quirks walks them")
	}
	var rtus []rig.RTU
	for i, q := range quirks {
		r := rig.RTU{Number: uint32(i + 1), Name: string(q), CommonAddress: 1, Points: quirkPoints(), Settings: "interrogation: 2s\ncounter_interrogation: 1s\n"}
		if q == sim.SmallWindow {
			r.Quirks = []sim.Quirk{q}
		}
		rtus = append(rtus, r)
	}
	s, ctx := newStation(t, rig.Options{Mode: "main-standby", Channels: 1, Lease: 5 * time.Second, RTUs: rtus})
	for i, q := range quirks {
		d := s.Devices[i]
		d.SetQuirks(q)
		for link := range d.Addresses() {
			_ = d.Break(link)
			_ = d.Repair(link) // both know the link
		}
		s.Simulate(func(ctx context.Context) { d.Pester(ctx, time.Second) })
		s.Simulate(func(ctx context.Context) { d.Emit(ctx, 1, 1) })
		if q == sim.KeepsOldLink {
			s.Simulate(func(ctx context.Context) { holdLink(ctx, d) })
		}
	}
	left := map[sim.Quirk]uint32{}
	for i, q := range quirks {
		left[q] = uint32(i + 1)
	}
	for end := time.Now().Add(6 * time.Minute); len(left) > 0 && time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		c := s.Client()
		list, err := c.Conditions(ctx)
		if err != nil {
			continue // a busy machine
		}
		for q, number := range left {
			if shows[q](seen{number, s.Devices[number-1], list.Conditions, c, ctx}) {
				delete(left, q)
			}
		}
	}
	for q, number := range left {
		t.Errorf("%s, RTU %d: waited in vain", q, number)
	}
}

// holdLink is another client that takes the device's link before the station, which waits for a second, has it again.
func holdLink(ctx context.Context, d *sim.Device) {
	for ctx.Err() == nil {
		c, err := iec104.Dial(ctx, iec104.ClientConfig{Address: d.Addresses()[0]})
		if err != nil {
			continue
		}
		if c.StartDT(ctx) == nil {
			select {
			case <-c.Done():
			case <-ctx.Done():
			}
		}
		c.Close()
	}
}

// What the station, or the control centre, shows of each quirk of a control centre.
var centreShows = map[sim.Quirk]func(s *rig.Station, c *sim.Centre, conditions func(id string) bool) bool{
	sim.NoInterrogation: func(_ *rig.Station, c *sim.Centre, _ func(string) bool) bool {
		return c.Starts() > 0 && c.Received.Len() > 0 && c.Interrogations() == 0
	},
	sim.GroupInterrogation: func(_ *rig.Station, c *sim.Centre, _ func(string) bool) bool {
		return c.Interrogations() > 0 && c.Values() >= 5
	},
	sim.Broadcast: func(_ *rig.Station, c *sim.Centre, _ func(string) bool) bool {
		return c.Interrogations() > 0 && c.Values() >= 5
	},
	sim.OtherStation:        func(_ *rig.Station, _ *sim.Centre, has func(string) bool) bool { return has("client_common_address") },
	sim.LateAcknowledgement: func(_ *rig.Station, _ *sim.Centre, has func(string) bool) bool { return has("client_window") },
	sim.TwoCentres:          func(_ *rig.Station, _ *sim.Centre, has func(string) bool) bool { return has("two_centres") },
	sim.NoSubstitutedTime:   func(_ *rig.Station, c *sim.Centre, _ func(string) bool) bool { return c.Starts() > 2 },
	sim.FreezesCounters: func(_ *rig.Station, c *sim.Centre, _ func(string) bool) bool {
		positive, other := c.Answers()
		return positive >= 4 && positive > other // a link that is lost is no answer
	},
	sim.ResetsCounters: func(_ *rig.Station, c *sim.Centre, _ func(string) bool) bool {
		positive, other := c.Answers()
		return positive == 0 && other >= 2
	},
	sim.CancelsSelection: func(s *rig.Station, c *sim.Centre, _ func(string) bool) bool {
		positive, other := c.Answers()
		return positive >= 2 && other >= 1 && s.Devices[0].Operated(11) == 0
	},
}

// Each quirk that a simulated control centre has, one after the other on the same uplink. The page tells of each.
func TestQuirksOfCentres(t *testing.T) {
	page, err := os.ReadFile("../../docs/UPLINKS.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range sim.CentreQuirks() {
		if !strings.Contains(string(page), "`"+string(q)+"`") {
			t.Errorf("docs/UPLINKS.md says nothing of %s", q)
		}
	}
	quirks := walked(sim.CentreQuirks())
	if len(quirks) == 0 {
		t.Skip("-quirks walks them")
	}
	// Its times are substituted, since it gives none.
	rtu := rig.RTU{Number: 1, Name: "device", CommonAddress: 1, Points: quirkPoints(), Quirks: []sim.Quirk{sim.NoTime}}
	s, ctx := newStation(t, rig.Options{Mode: "main-standby", Lease: 5 * time.Second, NoCentre: true, RTUs: []rig.RTU{rtu}})
	s.Simulate(func(ctx context.Context) { s.Devices[0].Emit(ctx, 20, 1) })
	for _, q := range quirks {
		t.Run(string(q), func(t *testing.T) {
			c := sim.NewCentre(sim.CentreConfig{
				Addresses: s.Uplinks(), CommonAddress: 100, Interrogate: true, Quirks: []sim.Quirk{q}, Retry: 100 * time.Millisecond,
				Output: rig.UplinkAddress(1, len(rtu.Points)-1),
			})
			run, cancel := context.WithCancel(ctx)
			ended := make(chan error, 1)
			go func() { ended <- c.Run(run) }()
			is := func() bool {
				return centreShows[q](s, c, func(kind string) bool {
					list, err := s.Client().Conditions(ctx)
					return err == nil && has(api.Status{Conditions: list.Conditions}, "uplink.occ.occ."+kind)
				})
			}
			for end := time.Now().Add(90 * time.Second); !is(); time.Sleep(50 * time.Millisecond) {
				if time.Now().After(end) {
					positive, other := c.Answers()
					t.Errorf("waited in vain: %d starts, %d interrogations, %d answers, %d others", c.Starts(), c.Interrogations(), positive, other)
					break
				}
			}
			cancel()
			<-ended
		})
	}
}
