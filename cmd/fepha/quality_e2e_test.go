package main

import (
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/fepha/internal/trialcmd"
	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/sim"
)

// qualities are what the control centre was told of each object's quality.
type qualities struct {
	mu   sync.Mutex
	last map[asdu.InformationObjectAddress]uint8
	bad  map[asdu.InformationObjectAddress]int // how often it became other than good
	at   time.Time                             // when one first did
}

func (q *qualities) take(_ string, a asdu.ASDU) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for o := range a.Objects() {
		if o.Address == 0 || o.Address == rig.RoleIOA { // end of initialization, role
			continue
		}
		if o.Quality != 0 && q.last[o.Address] == 0 {
			if len(q.bad) == 0 {
				q.at = time.Now()
			}
			q.bad[o.Address]++
		}
		q.last[o.Address] = o.Quality
	}
}

func (q *qualities) notGood() (objects map[asdu.InformationObjectAddress]int, now int, at time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, quality := range q.last {
		if quality != 0 {
			now++
		}
	}
	return maps.Clone(q.bad), now, q.at
}

// A switch changes no quality at the control centre, whichever way it comes
// about. Points are not topical after 3 s in which no FEP reaches the device,
// once, and topical again when one does.
func TestQualityThroughSwitches(t *testing.T) {
	q := &qualities{last: map[asdu.InformationObjectAddress]uint8{}, bad: map[asdu.InformationObjectAddress]int{}}
	points := trialcmd.DemoPoints()
	for i := range 8 {
		points = append(points, sim.DevicePoint{Address: asdu.InformationObjectAddress(4001 + i), Type: asdu.M_ME_NC_1, Value: float64(i)})
	}
	s, ctx := newStation(t, rig.Options{
		Mode: "main-standby", OnASDU: q.take, RTUs: []rig.RTU{{Number: 1, Name: "device", CommonAddress: 1, Points: points}},
	})
	const monitored = 24
	device := s.Devices[0]
	eventually(t, "all values", func() bool {
		q.mu.Lock()
		defer q.mu.Unlock()
		return len(q.last) == monitored && s.Centre.Interrogations() >= 2
	})
	eventually(t, "good quality", func() bool { _, now, _ := q.notGood(); return now == 0 })
	q.mu.Lock()
	clear(q.bad) // before the device was reached the points were not topical
	q.mu.Unlock()

	whole := func() api.Status {
		t.Helper()
		allAnswer(t, ctx, s)
		st, err := s.WaitFor(ctx, "a whole station", func(st api.Status) bool {
			return rig.Complete(st) && st.Nodes[0].Alive && st.Nodes[1].Alive && st.Nodes[2].Alive && len(st.Uplinks[0].Links) == 2
		})
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	restart := func(id string) error {
		if err := s.Kill(id); err != nil {
			return err
		}
		return s.Start(id)
	}
	for _, switched := range []struct {
		by string
		do func(api.Status) error
	}{
		{"hand", func(api.Status) error { _, err := s.Client().Failover(ctx, 1, ""); return err }},
		{"the owner's end", func(st api.Status) error { return restart(st.RTUs[0].Owner) }},
		{"the leader's end", func(st api.Status) error { return restart(st.Leader) }},
		{"a channel's end", func(api.Status) error {
			if err := device.Break(0); err != nil {
				return err
			}
			whole()
			return device.Repair(0)
		}},
	} {
		if err := switched.do(whole()); err != nil {
			t.Fatalf("switch by %s: %v", switched.by, err)
		}
		whole()
		if bad, _, _ := q.notGood(); len(bad) > 0 {
			t.Fatalf("switch by %s: the quality of %d objects changed", switched.by, len(bad))
		}
	}

	began := time.Now()
	for i := range 2 {
		if err := device.Break(i); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all points not to be topical", func() bool { _, now, _ := q.notGood(); return now == monitored })
	_, _, at := q.notGood()
	if after := at.Sub(began); after < 3*time.Second || after > 10*time.Second {
		t.Errorf("not topical %v after the last channel was lost, want 3 s and a little", after)
	}
	for i := range 2 {
		if err := device.Repair(i); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all points to be topical", func() bool { _, now, _ := q.notGood(); return now == 0 })
	bad, _, _ := q.notGood()
	for address, times := range bad {
		if times != 1 {
			t.Errorf("object %d was made not topical %d times, want once", address, times)
		}
	}
	t.Logf("not topical %v after the last channel was lost", at.Sub(began).Round(time.Millisecond))
}
