package fsm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/condition"
	"github.com/fepha/fepha/fsm/internal/frame"
)

// fullState has something of every kind in it.
func fullState(t testing.TB) *State {
	x := newScripted(t).ok("lead level 1", testStation+" export=archive/all",
		"fep1 stage expect=0", "fep1 part stage=1 offset=0 files", testStation+" export=archive/all stage=1 files=files", "fep1 stage expect=2", "fep1 part stage=3 offset=0 more",
		"lead node fep1 alive lease", "lead node fep2 alive", "lead assign rtu/1 epoch=0 owner=fep1 reason=start detected=1",
		"lead assign rtu/2 epoch=0 owner=fep2", "lead move rtu/2 epoch=1 to=fep1", "ops pin rtu/1 to=fep1",
		"fep1 links 1 1.1=active 2.3=standby", "fep2 links 1 1.1=connecting", "fep1 online 1 yes",
		"fep1 claim uplink/occ/main", "fep1 clients uplink/occ/main a=main?+2 b=waiting", "fep1 cursor uplink/occ/main epoch=1 seq=4",
		"fep2 cursor uplink/scada/both slot=fep2 seq=3",
		"fep1 events 1 epoch=1 batch=1 di/1=1 ai/1=2.5;q10 counter/1=7 image:ai/2=-1 ai/3=5;t32;transient di/2=2;t38;e1234 stray:no_object=abc stray:x=d omitted=3",
		"occ submit a rtu=1 do/3=1", "fep1 start a epoch=1",
		"occ submit b rtu=1 do/4=1", "occ submit c rtu=1 do/5=1",
		"occ submit s rtu=1 do/6=1 phase=select", "fep1 start s epoch=1", "fep1 result s epoch=1 yes",
		"occ submit old rtu=1 do/1=1", "lead expire old",
		"lead assign fnp epoch=0 owner=fep2", "fep2 receive 1001/7/0/1 epoch=1 base=1 text=hello", "fep2 receive 1001/7/1/1 epoch=1 base=1 text=in_order",
		"fep2 receive 1002/9/0/70 epoch=1 base=60",
		"fep1 report rtu/1 common_address alarm owner epoch=1 count=3 value=5 value=1", "fep2 report node/fep2 disk warning value=3_GB",
		"fep1 refuse login origin=10.0.0.1 reason=wrong_password", "fep1 refuse login origin=10.0.0.1 count=7", "fep1 did trace origin=anna resource=rtu/1",
		"fep1 report station clock warning leader", "fep1 ack rtu.1.common_address origin=anna", "fep1 gone station.clock",
		"ops check-start 1 group=uplink/occ/main di/1 ai/1! do/3", "fep1 events 1 epoch=1 batch=2 di/1=0",
		"ops check-tick 1 ai/1 ok remark=read_at_the_centre", "ops check-start 2 di/1!", "ops check-end 2",
		"ops block 1 ai/1 why=chatters", "ops substitute 1 di/9 value=1 type=30 why=no_sensor", "fep1 events 1 epoch=1 batch=3 ai/1=4",
		"ops user alice new role=admin hash=h", "ops user bob new role=viewer hash=h end=100", "ops token hmi role=operator secret=s end=9",
		"fep1 login alice session=x revision=1 from=10.0.0.7", "fep1 used s=5 x=6", "ops revoke name=fep3", "ops revoke serial=a1", "fep1 events 1 epoch=1 batch=4 bitstring/1=3735928559;t7",
	)
	return x.s
}

func TestRestoreKeepsEverything(t *testing.T) {
	s := fullState(t)
	b := written(t, s.Snapshot())
	restored, err := Restore(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, "digest", restored.Digest(), s.Digest())
	mustEqual(t, "index", restored.Index(), s.Index())
	for what, get := range map[string]func(*State) any{
		"resources":      func(s *State) any { return s.Resources() },
		"RTUs":           func(s *State) any { return s.RTUs() },
		"nodes":          func(s *State) any { return s.Nodes() },
		"links":          func(s *State) any { return s.Links(1, "fep1") },
		"groups":         func(s *State) any { return s.Groups() },
		"controls":       func(s *State) any { return s.Controls() },
		"changes":        func(s *State) any { return s.ControlsAfter(0) },
		"pending":        func(s *State) any { return s.PendingControls(1) },
		"virtual points": func(s *State) any { return s.VirtualPoints() },
		"revisions":      func(s *State) any { return s.Revisions() },
		"version":        func(s *State) any { return s.Version() },
		"checks": func(s *State) any {
			one, _ := s.PointCheck(1)
			two, _ := s.PointCheck(2)
			return fmt.Sprint(s.CheckedRTUs(), one, two)
		},
		"level": func(s *State) any { return s.Level() },
		"versions": func(s *State) any {
			var list []ConfigVersion
			for _, v := range s.Versions() {
				list = append(list, *v)
			}
			return list
		},
		"conditions": func(s *State) any { return s.Conditions() },
		"gone":       func(s *State) any { return s.GoneConditions(condition.MaxGone) },
		"overrides":  func(s *State) any { return s.Overrides() },
		"messages":   func(s *State) any { return s.Mailbox().After(0, 10) },
		"users":      func(s *State) any { return s.Access().Users() },
		"tokens":     func(s *State) any { return s.Access().Tokens() },
		"sessions":   func(s *State) any { return s.Access().Sessions() },
		"revoked":    func(s *State) any { return s.Access().Revocations() },
		"points":     func(s *State) any { return allPoints(s) },
	} {
		mustEqual(t, what, fmt.Sprint(get(restored)), fmt.Sprint(get(s)))
	}
	for i, e := range s.ReadHistory(0, 100) {
		other := restored.ReadHistory(uint64(i), 1)[0]
		mustEqual(t, "record", describe(other), describe(e))
		mustEqual(t, "time", other.Event.Time, e.Event.Time)
	}

	// What follows from the state without being in it: how changes are known, and what an owner's end ends.
	_, known := restored.ChangesAfter(restored.Version() - 1)
	mustEqual(t, "changes before the restore are known", known, false)
	keys, known := restored.ChangesAfter(restored.Version())
	mustEqual(t, "changes since are known", known && len(keys) == 0, true)
	x := &scripted{t: t, s: restored, index: restored.Index()}
	x.ok("lead assign rtu/1 epoch=1 owner=fep2")
	sel, _ := x.s.Control("s")
	mustEqual(t, "selection has ended", sel.Used, true)
	isControl("a", Done, false, "owner changed")(t, x.s)
	isControl("b", Submitted, false, "")(t, x.s)
}

// Controls that wait are started in order of submission, whichever changed last.
func TestRestoreKeepsTheOrderOfSubmission(t *testing.T) {
	x := newScripted(t).ok(testStation, "lead assign rtu/1 epoch=0 owner=fep1", "occ submit a rtu=1 do/1=1", "occ submit b rtu=1 do/1=1", "fep1 start a epoch=1")
	restored, err := Restore(bytes.NewReader(written(t, x.s.Snapshot())))
	if err != nil {
		t.Fatal(err)
	}
	p := restored.PendingControls(1)
	mustEqual(t, "order", p[0].ID+p[1].ID, "ab")
}

func TestRestoreOfNothing(t *testing.T) {
	s, err := Restore(bytes.NewReader(written(t, New().Snapshot())))
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, "digest", s.Digest(), New().Digest())
	r := s.Apply(1, &fsmpb.Entry{Commands: []*fsmpb.Command{parseCommand(t, "a configure", 0)}})[0]
	mustEqual(t, "first configuration, although it is empty", r.Code, ok)
}

// A file that was cut anywhere, or in which any octet was changed, is refused.
func TestRestoreRefusesDamage(t *testing.T) {
	good := written(t, fullState(t).Snapshot())
	refused := func(what string, b []byte) {
		t.Helper()
		s, err := Restore(bytes.NewReader(b))
		if s != nil || !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotSnapshot) {
			t.Fatalf("%s: got a state %t, error %v", what, s != nil, err)
		}
	}
	for n := 0; n < len(good); n += 7 {
		refused(fmt.Sprintf("cut to %d octets", n), good[:n])
	}
	for i := range good {
		b := bytes.Clone(good)
		b[i] ^= 1 << (i % 8)
		refused(fmt.Sprintf("octet %d changed", i), b)
	}
	for _, f := range frames(good) { // between frames, where what is left looks whole
		i := bytes.Index(good, f)
		refused("cut before a frame", good[:i])
	}
	refused("octet behind", append(bytes.Clone(good), 0))
	refused("two of them", append(bytes.Clone(good), good...))
	refused("another format", append([]byte(snapshotMagic+"\x04\x00\x00\x00"), good[12:]...))
}

func TestRestoreSaysWhere(t *testing.T) {
	good := written(t, fullState(t).Snapshot())
	good[len(good)/2] ^= 1
	_, err := Restore(bytes.NewReader(good))
	for _, want := range []string{"damaged", "frame", "at octet"} {
		if !bytes.Contains([]byte(err.Error()), []byte(want)) {
			t.Fatalf("%q does not say %q", err, want)
		}
	}
}

// A length that claims much makes no room for it.
func TestRestoreIsBounded(t *testing.T) {
	b := append(written(t, New().Snapshot())[:12], byte(frame.Head), 0, 0, 0, 3) // 48 MiB
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Restore(bytes.NewReader(b))
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ErrDamaged) {
		t.Fatal(err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Fatalf("%d octets were allocated for a file of %d", n, len(b))
	}
}

// frames cuts a snapshot into its frames, checksums aside.
func frames(b []byte) (all [][]byte) {
	for b = b[12:]; len(b) > 0; {
		n := 5 + int(binary.LittleEndian.Uint32(b[1:]))
		all = append(all, b[:n])
		b = b[n+4:]
	}
	return all
}

// sealed puts frames together again, with lengths and checksums that are right.
func sealed(all [][]byte) []byte {
	b := append([]byte(snapshotMagic), snapshotFormat, 0, 0, 0)
	for _, f := range all {
		start := len(b)
		b = append(b, f...)
		for len(b)-start < 5 {
			b = append(b, 0)
		}
		b = frame.End(b, start)
	}
	return b
}

func TestSealed(t *testing.T) {
	good := written(t, fullState(t).Snapshot())
	mustEqual(t, "sealed again", bytes.Equal(sealed(frames(good)), good), true)
}

// Frames that are each sound, but do not belong together.
func TestRestoreRefusesNonsense(t *testing.T) {
	all := frames(written(t, fullState(t).Snapshot()))
	index := map[frame.Kind]int{} // first of each kind
	for i := len(all) - 1; i >= 0; i-- {
		index[frame.Kind(all[i][0])] = i
	}
	for kind := frame.Head; kind <= frame.Upload; kind++ {
		if _, there := index[kind]; !there && kind != frame.PlainPoints && kind != frame.PlainEvents && kind != frame.Events {
			t.Fatalf("there is no frame of kind %d", kind)
		}
	}
	without := func(kind frame.Kind) [][]byte {
		i := index[kind]
		return append(append([][]byte{}, all[:i]...), all[i+1:]...)
	}
	twice := func(kind frame.Kind) [][]byte {
		i := index[kind]
		return append(append([][]byte{}, all[:i+1]...), all[i:]...)
	}
	for what, f := range map[string][][]byte{
		"no head":          without(frame.Head),
		"no configuration": without(frame.Config),
		"no points":        without(frame.Points),
		"no events":        without(frame.Journal),
		"no audit":         without(frame.Audit),
		"audit twice":      twice(frame.Audit),
		"refusals twice":   twice(frame.Refusal),
		"no tail":          without(frame.Tail),
		"two heads":        twice(frame.Head),
		"points twice":     twice(frame.Points),
		"events twice":     twice(frame.Journal),
		"control twice":    twice(frame.Control),
		"conditions twice": twice(frame.Conditions),
		"tail twice":       twice(frame.Tail),
		"users twice":      twice(frame.Access),
		"check twice":      twice(frame.Check),
		"version twice":    twice(frame.Version),
		"upload twice":     twice(frame.Upload),
		"unknown kind":     append([][]byte{all[0], all[1], {99, 0, 0, 0, 0}}, all[2:]...),
	} {
		if _, err := Restore(bytes.NewReader(sealed(f))); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// What a newer build wrote after all nodes understood it is refused as that. A state of level 0 keeps the format that the builds
// before know.
func TestRestoreRefusesNewer(t *testing.T) {
	x := newScripted(t).ok(testStation)
	old := written(t, x.s.Snapshot())
	mustEqual(t, "format at level 0", old[len(snapshotMagic)], 2)
	x.s.level = Level + 1 // as a newer build does
	newer := written(t, x.s.Snapshot())
	format := bytes.Clone(old)
	format[len(snapshotMagic)] = snapshotFormat + 1
	for what, b := range map[string][]byte{"level": newer, "format": format} {
		if _, err := Restore(bytes.NewReader(b)); !errors.Is(err, ErrNewer) || !errors.Is(err, ErrNotSnapshot) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// FuzzRestore changes octets of a snapshot, with checksums made right or not. What is restored must be usable.
func FuzzRestore(f *testing.F) {
	all := frames(written(f, fullState(f).Snapshot()))
	for i, frame := range all {
		f.Add(uint16(i), uint16(5), frame[5:min(len(frame), 15)], true)
	}
	f.Add(uint16(0), uint16(0), []byte{1}, false)
	f.Fuzz(func(t *testing.T, which, at uint16, with []byte, seal bool) {
		changed := make([][]byte, len(all))
		for i := range all {
			changed[i] = bytes.Clone(all[i])
		}
		frame := changed[int(which)%len(changed)]
		copy(frame[int(at)%len(frame):], with)
		b := sealed(changed)
		if !seal {
			i := int(which) % len(b)
			copy(b[i:], with)
		}
		s, err := Restore(bytes.NewReader(b))
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotSnapshot) {
				t.Fatalf("error of no known kind: %v", err)
			}
			return
		}
		use(s)
		if _, err := Restore(bytes.NewReader(written(t, s.Snapshot()))); err != nil {
			t.Fatalf("what was restored and used can't be restored again: %v", err)
		}
	})
}

// use does a bit of everything with a state.
func use(s *State) {
	s.Digest()
	for _, r := range s.Resources() {
		s.Group(r.ID)
		s.Cursor(r.ID, "fep1")
	}
	s.Groups()
	s.VirtualPoints()
	s.Controls()
	allPoints(s)
	s.ReadHistory(0, 100)
	s.HistoryBefore(s.JournalLast(), 5)
	x := scripted{t: nil, s: s, index: s.Index()}
	for _, line := range []string{
		"fep1 events 1 epoch=1 batch=2 di/1=0 di/9=1", "fep1 links 1 1.1=standby", "lead online 1 no", "fep1 result a epoch=1 yes terminated",
		"occ submit x rtu=1 do/6=1 phase=execute select=s", "lead assign rtu/1 epoch=1 owner=fep2", "fep1 cursor uplink/occ/main epoch=1 seq=20",
		"fep2 report node/fep2 disk alarm", "fep2 gone rtu.1.common_address node=fep1", "fep1 ack node.fep2.disk origin=x",
		"lead node fep1 dead", "fep1 refuse login origin=10.0.0.1", "fep1 did trace", "occ submit y rtu=1 do/6=1", "fep1 configure node=fep2/2/fep rtu=1//1 group=occ/main/dual-active",
	} {
		x.index++
		x.s.Apply(x.index, &fsmpb.Entry{Commands: []*fsmpb.Command{parseCommand(nopTB{}, line, 0)}})
	}
}

// nopTB stands in for a test where a script is known to be right.
type nopTB struct{ testing.TB }

func (nopTB) Helper() {}

func allPoints(s *State) (all []Point) {
	for _, rtu := range s.PointRTUs() {
		for _, p := range s.Points(rtu) {
			all = append(all, p)
		}
	}
	return all
}

// A snapshot is written while entries are applied: the race detector watches, and what is written is what was frozen.
func TestWriteWhileApplying(t *testing.T) {
	s := bigState(t, 10_000, 2000)
	want := written(t, s.view())
	frozen := s.Snapshot()
	result := make(chan []byte)
	go func() {
		var b bytes.Buffer
		for range 5 {
			b.Reset()
			if _, err := frozen.WriteTo(&b); err != nil {
				break
			}
		}
		result <- b.Bytes()
	}()
	r, _ := s.Resource("rtu/1")
	batch := r.LastBatch
	for {
		select {
		case got := <-result:
			if !bytes.Equal(got, want) {
				t.Fatal("what was applied meanwhile is in the snapshot")
			}
			if batch == r.LastBatch {
				t.Fatal("nothing was applied meanwhile")
			}
			return
		default:
		}
		batch++
		ev := &fsmpb.Events{Rtu: 1, Epoch: 1, Batch: batch}
		for p := range 50 { // 20 of them known, the others new
			ev.Items = append(ev.Items, benchItem(p+int(batch-r.LastBatch)*10, fsmpb.Item_EVENT))
		}
		if r := s.Apply(1, &fsmpb.Entry{Commands: []*fsmpb.Command{{Node: "fep1", Op: &fsmpb.Command_Events{Events: ev}}}})[0]; r.Code != ok {
			t.Fatal(r)
		}
	}
}
