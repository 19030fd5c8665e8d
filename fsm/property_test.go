package fsm

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/fepha/fepha/fsm/fsmpb"
)

// drawLine makes up a line of a script that has a fair chance to be accepted: epochs and numbers are near the right ones.
func drawLine(t *rapid.T, s *State) string {
	pick := func(what string, of ...string) string { return rapid.SampledFrom(of).Draw(t, what) }
	node := pick("node", "fep1", "fep2")
	to := pick("to", "fep1", "fep2", "fep1", "fep2", "wit", "")
	resource := pick("resource", "rtu/1", "rtu/2", "uplink/occ/main", "uplink/scada/both", "fnp")
	near := func(what string, n uint64) uint64 {
		return n + rapid.SampledFrom([]uint64{0, 0, 0, 0, 0, 0, 1, ^uint64(0)}).Draw(t, what)&0xffff // one less wraps, and is refused
	}
	epochOf := func(id string) uint64 {
		r, _ := s.Resource(id)
		if r.Owner != "" && rapid.IntRange(0, 3).Draw(t, "as owner") > 0 {
			node = r.Owner
		}
		return near("epoch", r.Epoch)
	}
	id := fmt.Sprintf("c%d", rapid.IntRange(0, 5).Draw(t, "control"))
	n := rapid.IntRange(1, 2).Draw(t, "rtu")
	switch pick("verb", "configure", "assign", "assign", "move", "released", "claim", "pin", "activated", "events", "events", "events", "events",
		"online", "links", "node", "clients", "cursor", "cursor", "submit", "submit", "start", "start", "result", "result", "expire") {
	case "configure":
		return pick("configuration", testStation, strings.Replace(testStation, "retain=1000", "retain=20", 1),
			strings.Replace(testStation, "rtu=2/fep2/1", "", 1), strings.Replace(testStation, "group=scada/both/dual-active", "", 1),
			strings.Replace(testStation, "main-standby", "dual-active", 1))
	case "assign":
		return fmt.Sprintf("%s assign %s epoch=%d owner=%s", node, resource, epochOf(resource), to)
	case "move":
		return fmt.Sprintf("%s move %s epoch=%d to=%s", node, resource, epochOf(resource), to)
	case "released":
		e := epochOf(resource)
		return fmt.Sprintf("%s released %s epoch=%d", node, resource, e)
	case "claim":
		return fmt.Sprintf("%s claim %s client=x", node, resource)
	case "pin":
		return fmt.Sprintf("%s pin %s to=%s", node, resource, to)
	case "activated":
		e := epochOf(resource)
		return fmt.Sprintf("%s activated %s epoch=%d data=%d", node, resource, e, rapid.IntRange(0, 3).Draw(t, "ms"))
	case "events":
		r, _ := s.Resource(RTUResource(uint32(n)))
		e := epochOf(r.ID)
		line := fmt.Sprintf("%s events %d epoch=%d batch=%d", node, n, e, near("batch", r.LastBatch+1))
		for range rapid.IntRange(0, 12).Draw(t, "items") {
			line += fmt.Sprintf(" %s%s/%d=%d", pick("mode", "event:", "compare:", "image:"), pick("kind", "di", "di", "ai", "counter"),
				rapid.IntRange(1, 100).Draw(t, "point"), rapid.IntRange(0, 2).Draw(t, "value"))
		}
		return line
	case "online":
		return fmt.Sprintf("%s online %d %s", node, n, pick("online", "yes", "no"))
	case "links":
		line := fmt.Sprintf("%s links %d", node, n)
		for i := range rapid.IntRange(0, 2).Draw(t, "links") {
			line += fmt.Sprintf(" %d.%d=%s", i+1, 2*i+1, pick("state", "down", "connecting", "standby", "active"))
		}
		return line
	case "node":
		return fmt.Sprintf("lead node %s %s", node, pick("alive", "alive", "dead", "alive lease"))
	case "clients":
		return fmt.Sprintf("%s clients %s %s", node, resource, pick("clients", "", "a=main", "a=standby b=held"))
	case "cursor":
		slot := ""
		if strings.Contains(resource, "scada") {
			slot = node
		} else {
			resource = "uplink/occ/main"
		}
		e := epochOf(resource)
		if slot != "" {
			slot = node
		}
		return fmt.Sprintf("%s cursor %s slot=%s epoch=%d seq=%d", node, resource, slot, e, rapid.Uint64Range(0, s.JournalLast()+1).Draw(t, "seq"))
	case "submit":
		phase := pick("phase", "direct", "direct", "select", "execute", "cancel")
		line := fmt.Sprintf("occ submit %s rtu=%d do/%d=1 phase=%s deadline=%d", id, n, rapid.IntRange(1, 2).Draw(t, "point"), phase, rapid.IntRange(1, 60).Draw(t, "deadline"))
		if phase == "execute" || phase == "cancel" {
			line += fmt.Sprintf(" select=c%d", rapid.IntRange(0, 5).Draw(t, "selection"))
		}
		return line
	}
	c, _ := s.Control(id)
	e := epochOf(RTUResource(c.RTU))
	switch pick("verb of a control", "start", "start", "result", "result", "expire") {
	case "start":
		return fmt.Sprintf("%s start %s epoch=%d", node, id, e)
	case "result":
		return fmt.Sprintf("%s result %s epoch=%d %s", node, id, e, pick("answer", "yes", "no", "yes terminated", "no terminated"))
	}
	return fmt.Sprintf("lead expire %s", id)
}

// Any sequence of commands keeps what the package promises, whatever of it is refused.
func TestPromises(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		x := newScripted(t).ok(strings.Replace(testStation, "retain=1000", "retain=20", 1))
		p := promises{s: x.s, epochs: map[string]uint64{}, started: map[string]int{}, answered: map[string]int{}}
		for range rapid.IntRange(1, 60).Draw(rt, "commands") {
			x.ms += int64(rapid.IntRange(0, 1500).Draw(rt, "ms"))
			line := drawLine(rt, x.s)
			e := &fsmpb.Entry{Commands: []*fsmpb.Command{parseCommand(t, line, x.ms)}}
			given := proto.CloneOf(e)
			x.index++
			x.s.index = x.index // so that the digests differ by the command alone
			before, last := x.s.Digest(), x.s.JournalLast()
			r := x.s.Apply(x.index, e)[0]
			if !proto.Equal(e, given) {
				rt.Fatalf("%s: Apply has changed the entry", line)
			}
			p.check(rt, line, e.Commands[0], r, last)
			if (r.Code != ok) && x.s.Digest() != before && !recordsRefusal(e.Commands[0]) {
				rt.Fatalf("%s: %s, but the state has changed", line, r.Code)
			}
		}
	})
}

// recordsRefusal tells the commands that leave a trace when they are refused: a request that can't be granted, and a start
// that is too late.
func recordsRefusal(c *fsmpb.Command) bool {
	return c.GetControlSubmit() != nil || c.GetControlStart() != nil
}

// promises is what was seen so far.
type promises struct {
	s        *State
	epochs   map[string]uint64 // newest epoch of each resource, gone ones included
	started  map[string]int    // how often each control was started
	answered map[string]int    // how often it was done
	next     uint64
}

func (p *promises) check(t *rapid.T, line string, c *fsmpb.Command, r *fsmpb.Result, last uint64) {
	s := p.s
	for _, res := range s.Resources() {
		if res.Epoch < p.epochs[res.ID] {
			t.Fatalf("%s: %s went from epoch %d to %d", line, res.ID, p.epochs[res.ID], res.Epoch)
		}
		p.epochs[res.ID] = res.Epoch
		if (res.Owner == "") != (res.Phase == Unowned) || (res.Target != "") != (res.Phase == Releasing) || res.Owner == "wit" || res.Target == "wit" {
			t.Fatalf("%s: %+v", line, res)
		}
	}

	if s.JournalLast() < last || s.JournalLast()-s.JournalFirst()+1 > s.Config().Retain {
		t.Fatalf("%s: journal %d to %d of %d", line, s.JournalFirst(), s.JournalLast(), s.Config().Retain)
	}
	if (r.LastSeq != 0) != (s.JournalLast() > last) || r.LastSeq != 0 && (r.FirstSeq != last+1 || r.LastSeq != s.JournalLast()) {
		t.Fatalf("%s: events %d to %d, result %v", line, last+1, s.JournalLast(), r)
	}
	seq := last
	for _, e := range s.ReadJournal(last, make([]Event, s.JournalLast()-last)) {
		if seq+1 != e.Seq && e.Seq != s.JournalFirst() {
			t.Fatalf("%s: event %d after %d", line, e.Seq, seq)
		}
		seq = e.Seq
		if e.Note == nil || e.Note.Kind != NoteControl {
			continue
		}
		if e.Note.Stage == Executing {
			p.started[e.Note.Control]++
		}
		if k, _ := s.Control(e.Note.Control); e.Note.Stage == Done && !k.Used {
			p.answered[e.Note.Control]++
		}
		if p.started[e.Note.Control] > 1 || p.answered[e.Note.Control] > 1 {
			t.Fatalf("%s: control %s was started %d times and answered %d times", line, e.Note.Control, p.started[e.Note.Control], p.answered[e.Note.Control])
		}
	}

	for _, g := range s.Groups() {
		if g.Cursor > s.JournalLast() || g.Backlog != s.JournalLast()-max(g.Cursor, s.JournalFirst()-1) {
			t.Fatalf("%s: %+v with journal %d to %d", line, g, s.JournalFirst(), s.JournalLast())
		}
		for _, slot := range g.Slots {
			if slot.Seq+1 < s.JournalFirst() && !slot.Overflow {
				t.Fatalf("%s: %s has lost events silently: %+v, journal from %d", line, g.Resource, slot, s.JournalFirst())
			}
		}
	}
	for _, v := range s.virtual.points {
		a, b, val := v.view(s)
		pt, _ := s.Point(v.key())
		if a != v.ValA || b != v.ValB || val != v.Val || pt.Value != number(val) {
			t.Fatalf("%s: virtual point %s is %t %t %t, in the image %g; it should be %t %t %t", line, v.Source, v.ValA, v.ValB, v.Val, pt.Value, a, b, val)
		}
	}
	for _, u := range s.RTUs() {
		for _, k := range s.PendingControls(u.Number) {
			if known, _ := s.Control(k.ID); known != k || k.Stage == Done || k.RTU != u.Number {
				t.Fatalf("%s: pending %+v, known %+v", line, k, known)
			}
		}
	}
}

// Two states that are fed the same entries are equal; a state that was restored from a snapshot goes on like the one that it
// was taken from; and a snapshot that is written late holds what was true when it was taken.
func TestSnapshotIsTheState(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		x := newScripted(t).ok(strings.Replace(testStation, "retain=1000", "retain=20", 1))
		twin := newScripted(t).ok(strings.Replace(testStation, "retain=1000", "retain=20", 1))
		steps := func(what string, more ...*State) {
			for range rapid.IntRange(0, 40).Draw(rt, what) {
				x.ms += int64(rapid.IntRange(0, 1500).Draw(rt, "ms"))
				c := parseCommand(t, drawLine(rt, x.s), x.ms)
				x.index++
				want := x.s.Apply(x.index, &fsmpb.Entry{Commands: []*fsmpb.Command{c}})
				for _, s := range append(more, twin.s) {
					got := s.Apply(x.index, &fsmpb.Entry{Commands: []*fsmpb.Command{c}})
					if !slices.EqualFunc(got, want, func(a, b *fsmpb.Result) bool { return proto.Equal(a, b) }) {
						rt.Fatalf("%v: got %v, want %v", c, got, want)
					}
				}
			}
		}
		steps("before")
		early := written(rt, x.s.Snapshot())
		late := x.s.Snapshot()
		restored, err := Restore(bytes.NewReader(early))
		if err != nil {
			rt.Fatal(err)
		}
		if again := written(rt, restored.view()); !bytes.Equal(again, early) {
			rt.Fatalf("the restored state is written otherwise, from octet %d on", firstDifferent(again, early))
		}
		steps("after", restored)
		if !bytes.Equal(written(rt, late), early) {
			rt.Fatal("what came after the snapshot is in it")
		}
		if d := x.s.Digest(); restored.Digest() != d || twin.s.Digest() != d {
			rt.Fatalf("digests differ: state %.8s, restored %.8s, twin %.8s", d, restored.Digest(), twin.s.Digest())
		}
	})
}

func written(t interface{ Fatal(...any) }, w io.WriterTo) []byte {
	var b bytes.Buffer
	if n, err := w.WriteTo(&b); err != nil || n != int64(b.Len()) {
		t.Fatal(n, err)
	}
	return b.Bytes()
}

func firstDifferent(a, b []byte) int {
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			return i
		}
	}
	return len(a)
}
