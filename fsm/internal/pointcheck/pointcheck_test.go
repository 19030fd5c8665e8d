package pointcheck

import (
	"fmt"
	"testing"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

func started(t *testing.T, points int) *Checks {
	t.Helper()
	c := New()
	op := &fsmpb.CheckStart{Rtu: 1, Resource: "uplink/occ/main", Origin: "ops"}
	for n := range points {
		op.Points = append(op.Points, &fsmpb.CheckStart_Point{Kind: fsmpb.Kind_DI, Point: uint32(n + 1), Forwarded: true})
	}
	if r := c.Start(command.Stamp{Ms: 1}, op); r.Code != fsmpb.Result_OK {
		t.Fatal(r)
	}
	return c
}

// What the centre never got, because it was dropped, is not acknowledged by what it acknowledges later.
func TestLostEventsAreNotAcknowledged(t *testing.T) {
	c := started(t, 2)
	c.Saw(1, fsmpb.Kind_DI, 1, Sample{Value: 1, Seq: 5})
	c.Saw(1, fsmpb.Kind_DI, 2, Sample{Value: 1, Seq: 9})
	c.Acknowledged(command.Stamp{Ms: 2}, "uplink/scada/both", 9, 0)
	c.Acknowledged(command.Stamp{Ms: 3}, "uplink/occ/main", 9, 7)
	k, _ := c.Of(1)
	if k.Items[0].Done() || !k.Items[1].Done() || k.Items[1].Seen[0].AckedMs != 3 {
		t.Errorf("%+v", k.Items)
	}
}

// Of many values two are kept, and what proves that the point works stays among them.
func TestSeenIsBounded(t *testing.T) {
	c := started(t, 1)
	for v := range 5 {
		c.Saw(1, fsmpb.Kind_DI, 1, Sample{Value: float64(v), Seq: uint64(v + 1)})
		if v == 1 {
			c.Acknowledged(command.Stamp{Ms: 9}, "uplink/occ/main", 1, 0) // of 0 alone
		}
	}
	k, _ := c.Of(1)
	if got := fmt.Sprint(k.Items[0].Seen); got != "[{0 0 0 0 1 9 } {4 0 0 0 5 0 }]" {
		t.Error(got)
	}
}

func TestPointsAreBounded(t *testing.T) {
	c := started(t, MaxPoints)
	op := &fsmpb.CheckStart{Rtu: 2, Points: []*fsmpb.CheckStart_Point{{Kind: fsmpb.Kind_AI, Point: 1}}}
	if r := c.Start(command.Stamp{}, op); r.Code != fsmpb.Result_CONFLICT {
		t.Fatal(r)
	}
	c.End(command.Stamp{}, &fsmpb.CheckEnd{Rtu: 1, Discard: true})
	if r := c.Start(command.Stamp{}, op); r.Code != fsmpb.Result_OK {
		t.Fatal(r)
	}
}

func BenchmarkAcknowledged(b *testing.B) {
	c := New()
	op := &fsmpb.CheckStart{Rtu: 1, Resource: "g"}
	for n := range MaxPoints {
		op.Points = append(op.Points, &fsmpb.CheckStart_Point{Kind: fsmpb.Kind_DI, Point: uint32(n + 1), Forwarded: true})
	}
	c.Start(command.Stamp{}, op)
	for n := range MaxPoints {
		c.Saw(1, fsmpb.Kind_DI, uint32(n+1), Sample{Seq: 1 << 40})
	}
	for b.Loop() {
		c.Acknowledged(command.Stamp{}, "g", 1, 0)
	}
}
