package trend

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

var ai1, ai2 = fsm.PointKey{RTU: 1, Kind: fsm.AI, Point: 1}, fsm.PointKey{RTU: 1, Kind: fsm.AI, Point: 2}

func TestRing(t *testing.T) {
	r := newRing(4, 1000)
	put := func(k fsm.PointKey, v float64, ms int64) { r.add(k, &fsm.Point{Value: v}, ms) }
	put(ai1, 1, 1000)
	put(ai1, 1, 2000) // nothing new
	put(ai2, 7, 2000)
	put(ai1, 2, 3000)
	put(ai1, 3, 4000)
	if got := fmt.Sprint(r.read(ai1, 3500), r.completeFrom()); got != "[{3000 2 0} {4000 3 0}] 1000" {
		t.Error("since 3.5 s, with the one before:", got)
	}
	put(ai1, 4, 5000) // the first one goes
	if got := fmt.Sprint(r.read(ai1, 0), r.completeFrom()); got != "[{3000 2 0} {4000 3 0} {5000 4 0}] 2000" {
		t.Error("full:", got)
	}
	put(ai1, 5, 6000) // that of ai2 goes
	if got := fmt.Sprint(r.read(ai2, 0)); got != "[]" {
		t.Error("gone:", got)
	}
	put(ai2, 7, 7000) // and is known anew
	if got := fmt.Sprint(r.read(ai2, 0)); got != "[{7000 7 0}]" {
		t.Error("known anew:", got)
	}
}

// Whatever was added, each point's chain is the newest of its own samples, in order.
func TestRingKeepsTheNewest(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const size = 50
	r := newRing(size, 0)
	type sample struct {
		k fsm.PointKey
		Sample
	}
	var all []sample
	last := map[fsm.PointKey]float64{}
	for i := range 2000 {
		k, v := fsm.PointKey{RTU: 1, Kind: fsm.AI, Point: random.Uint32N(7)}, float64(random.IntN(3))
		if before, known := last[k]; !known || before != v || !r.there(r.newest[k]) {
			all = append(all, sample{k, Sample{int64(i) * 1000, v, 0}})
		}
		last[k] = v
		r.add(k, &fsm.Point{Value: v}, int64(i)*1000)
		var want []Sample
		for _, s := range all[max(0, len(all)-size):] {
			if s.k == k {
				want = append(want, s.Sample)
			}
		}
		if got := r.read(k, -1); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("step %d: %v, want %v", i, got, want)
		}
		if len(r.samples) > size {
			t.Fatalf("%d samples", len(r.samples))
		}
	}
}

func TestRecorder(t *testing.T) {
	s := fsm.New()
	index := uint64(0)
	do := func(c *fsmpb.Command) {
		t.Helper()
		index++
		c.Node, c.AtMs = "fep1", int64(index)
		if r := s.Apply(index, &fsmpb.Entry{Commands: []*fsmpb.Command{c}})[0]; r.Code != fsmpb.Result_OK {
			t.Fatal(r)
		}
	}
	do(&fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: &fsmpb.Configure{
		Nodes: []*fsmpb.Configure_Node{{Id: "fep1", Host: 1, Role: "fep"}}, Rtus: []*fsmpb.Configure_RTU{{Number: 1, Links: []uint32{1}}},
	}}})
	do(&fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{Resource: "rtu/1", Owner: "fep1"}}})
	batch := uint64(0)
	events := func(v float64) {
		batch++
		do(&fsmpb.Command{Op: &fsmpb.Command_Events{Events: &fsmpb.Events{Rtu: 1, Epoch: 1, Batch: batch, Items: []*fsmpb.Item{
			{Kind: fsmpb.Kind_AI, Point: 1, Type: 36, Value: v, Mode: fsmpb.Item_IMAGE}, {Kind: fsmpb.Kind_DI, Point: 1, Type: 30, Value: v},
		}}}})
	}
	r := New(func(read func(*fsm.State)) { read(s) }, Usual)
	r.ring.beganMs = 0
	events(1)
	r.sample(1000)
	events(2)
	events(3)
	r.sample(2000) // the newest of a second
	r.sample(3000)
	got, from := r.Read(ai1, 3000)
	if fmt.Sprint(got) != "[{1000 1 0} {2000 3 0}]" || from != 0 {
		t.Errorf("%v, complete from %d", got, from)
	}
	if got, _ := r.Read(fsm.PointKey{RTU: 1, Kind: fsm.DI, Point: 1}, 3000); got != nil {
		t.Errorf("a state has events, and no trend: %v", got)
	}
	if _, from := r.Read(ai1, Usual.Length.Milliseconds()+5000); from != 5000 {
		t.Errorf("an hour later it is complete from %d", from)
	}
}

func BenchmarkSample(b *testing.B) {
	r := newRing(Usual.Samples(), 0)
	for i := range b.N {
		r.add(fsm.PointKey{RTU: 1, Kind: fsm.AI, Point: uint32(i % 100_000)}, &fsm.Point{Value: float64(i)}, int64(i))
	}
}

func TestShape(t *testing.T) {
	for shape, want := range map[Shape]int64{
		Usual: 24 << 20, {2 * time.Hour, time.Second}: 48 << 20, {24 * time.Hour, 24 * time.Second}: 24 << 20, {30 * time.Minute, time.Second}: 12 << 20,
	} {
		if got := shape.Memory(); got != want {
			t.Errorf("%v: %d octets, want %d", shape, got, want)
		}
	}
}

// A recorder takes another shape while it runs, and begins anew then.
func TestConfigure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state, samples := fsm.New(), 0
		r := New(func(read func(*fsm.State)) { samples++; read(state) }, Usual)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		time.Sleep(10*time.Second + time.Millisecond)
		synctest.Wait()
		if samples != 11 {
			t.Errorf("%d samples in 10 s", samples)
		}
		r.Configure(Usual) // nothing changes
		changed := time.Now()
		r.Configure(Shape{6 * time.Hour, time.Minute})
		time.Sleep(2*time.Minute + time.Millisecond)
		synctest.Wait()
		if samples != 14 { // one at the change
			t.Errorf("%d samples, 2 min after a change to one a minute", samples)
		}
		if _, from := r.Read(ai1, time.Now().UnixMilli()); from != changed.UnixMilli() {
			t.Errorf("complete from %d, was changed at %d", from, changed.UnixMilli())
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
