package fsm

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fepha/fepha/fsm/internal/control"
)

// Whoever asks for controls without end takes the room of no other, and is told of a few times.
func TestOneRequesterCantTakeTheRoomOfOthers(t *testing.T) {
	x := newScripted(t).ok(testStation, "lead assign rtu/1 epoch=0 owner=fep1")
	entries := x.s.AuditLast()
	granted := 0
	for i := range 30_000 {
		x.ms = int64(i) // 1000 a second, deadline 10 s later
		switch r := x.do(fmt.Sprintf("occ submit c%d rtu=1 do/%d=1 deadline=%d requester=uplink/occ/main_10.0.0.9", i, i, i/1000+10)); r.Code {
		case ok:
			granted++
			x.ok(fmt.Sprintf("lead expire c%d", i))
		case conflict:
			if !strings.Contains(r.Message, "expected fewer") || !IsControlQuota(r.Message) {
				t.Fatal(r)
			}
		default:
			t.Fatal(r)
		}
		if i%1000 == 999 { // others are served all the while
			x.ok(fmt.Sprintf("occ submit op%d rtu=1 do/1=1 deadline=%d requester=uplink/occ/main_10.0.0.1", i, i/1000+10),
				fmt.Sprintf("web submit web%d rtu=1 do/1=1 deadline=%d requester=api_anna", i, i/1000+10))
		}
	}
	if granted < 2*control.MaxOfRequester || granted > 4*control.MaxOfRequester {
		t.Fatalf("%d were granted in 30 s, expected about %d in each 10 s", granted, control.MaxOfRequester)
	}
	if n := x.s.AuditLast() - entries; n > uint64(2*granted+60+3) {
		t.Fatalf("%d entries of the audit for %d controls that were granted", n, granted)
	}
	if n := len(x.s.Controls()); n > control.MaxOfRequester+control.KeepDone+100 {
		t.Fatalf("%d controls are remembered", n)
	}
}

// Many addresses of one group have one pool.
func TestOnePoolCantTakeTheRoomOfOthers(t *testing.T) {
	x := newScripted(t).ok(testStation)
	refused := 0
	for i := range control.MaxOfPool + 100 {
		if x.do(fmt.Sprintf("occ submit c%d rtu=1 do/%d=1 requester=uplink/occ/main_10.0.%d.1", i, i, i/100)).Code == conflict {
			refused++
		}
	}
	mustEqual(t, "refused", refused, 100)
	x.ok("occ submit other rtu=1 do/1=1 requester=uplink/occ/other_10.0.0.1", "web submit web rtu=1 do/1=1 requester=api_anna", "redis submit r rtu=1 do/1=1 requester=redis")
}

// A requester selects a few points at a time; what is executed, cancelled or over makes room for others.
func TestSelectionsOfOneRequester(t *testing.T) {
	x := newScripted(t).ok(testStation, "lead assign rtu/1 epoch=0 owner=fep1")
	selects := func(i int, who string) string {
		return fmt.Sprintf("occ submit s%d rtu=1 do/%d=1 phase=select alone deadline=30 origin=%s", i, i, who)
	}
	for i := range control.MaxSelections {
		x.ok(selects(i, "a"), fmt.Sprintf("fep1 start s%d epoch=1", i), fmt.Sprintf("fep1 result s%d epoch=1 yes", i))
	}
	r := x.do(selects(100, "a"))
	mustEqual(t, "one more", r.Code, conflict)
	mustEqual(t, "says why", strings.Contains(r.Message, "32 points are selected by a") && IsControlQuota(r.Message), true)
	mustEqual(t, "why not, asked before", x.s.ControlQuota("a", Select, scriptStart) != "", true)
	mustEqual(t, "a direct control may be asked for", x.s.ControlQuota("a", Direct, scriptStart), "")
	x.ok(selects(101, "b"), "occ submit x rtu=1 do/0=1 phase=execute select=s0 origin=a deadline=30", "lead expire s1")
	x.ok(selects(102, "a"), selects(103, "a"))
	mustEqual(t, "full again", x.do(selects(104, "a")).Code, conflict)
	x.ok("at 30001", "lead expire s2")
	mustEqual(t, "deadlines have passed", x.s.ControlQuota("a", Select, scriptStart+30_001), "")
}
