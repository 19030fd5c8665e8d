package fsm

import (
	"fmt"
	"strings"
	"testing"
)

// An RTU has so many strays at most, the newest.
func TestStraysOfAnRTUAreBounded(t *testing.T) {
	x := newScripted(t).ok(testStation, "lead assign rtu/1 epoch=0 owner=fep1")
	for batch := range 3 {
		x.ok(fmt.Sprintf("fep1 events 1 epoch=1 batch=%d", batch+1) + strings.Repeat(" stray:often=y", 500))
	}
	kept, total := x.s.Strays(1, 2*maxStrays)
	mustEqual(t, "kept", len(kept), maxStrays)
	mustEqual(t, "total", total, uint64(1500))
	mustEqual(t, "newest", kept[0].Number, uint64(1500))
	mustEqual(t, "oldest", kept[maxStrays-1].Number, uint64(501))
}

// All together don't take more room than they are allowed, and who sends few keeps his.
func TestStraysOfAllRTUsAreBounded(t *testing.T) {
	const rtus = 40
	station := "fep1 configure digest=one retain=1000 node=fep1/1/fep node=fep2/2/fep node=wit/3/witness"
	for n := 1; n <= rtus; n++ {
		station += fmt.Sprintf(" rtu=%d/fep1/1", n)
	}
	x := newScripted(t).ok(station)
	x.ok("lead assign rtu/1 epoch=0 owner=fep1", "fep1 events 1 epoch=1 batch=1 stray:rare=x")
	for n := 2; n <= rtus; n++ {
		x.ok(fmt.Sprintf("lead assign rtu/%d epoch=0 owner=fep1", n),
			fmt.Sprintf("fep1 events %d epoch=1 batch=1", n)+strings.Repeat(" stray:often="+strings.Repeat("y", maxASDU), maxStrays))
	}
	sum := 0
	for n := 1; n <= rtus; n++ {
		kept, _ := x.s.Strays(uint32(n), maxStrays)
		for i := range kept {
			sum += kept[i].size()
		}
	}
	mustEqual(t, "octets", sum, x.s.strays)
	if sum > maxStraysSize || sum < maxStraysSize*9/10 {
		t.Errorf("%d octets, expected %d at most, and not much less", sum, maxStraysSize)
	}
	if kept, _ := x.s.Strays(1, 2); len(kept) != 1 {
		t.Error("the RTU with one stray has lost it")
	}
	x.ok("fep1 configure digest=two retain=1000 node=fep1/1/fep node=fep2/2/fep node=wit/3/witness rtu=1/fep1/1")
	kept, _ := x.s.Strays(1, 2)
	mustEqual(t, "octets after all others were removed", x.s.strays, kept[0].size())
}
