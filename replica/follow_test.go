package replica_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
	"github.com/fepha/fepha/replica/replicatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var configuration = &fsmpb.Configure{
	Digest: "test",
	Nodes:  []*fsmpb.Configure_Node{{Id: "fep1", Host: 1, Role: "fep"}, {Id: "fep2", Host: 2, Role: "fep"}},
	Rtus:   []*fsmpb.Configure_RTU{{Number: 1, Links: []uint32{1}}},
}

// rounds are when Follow yields, in virtual time from the first one on, while something happens.
func rounds(t *testing.T, pace replica.Pace, happens func(s *replicatest.Station)) (at []time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		s := replicatest.New(t, configuration)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		began := time.Now()
		go func() {
			defer close(ended)
			for range replica.Follow(ctx, s.Node("fep1"), pace) {
				at = append(at, time.Since(began))
			}
		}()
		synctest.Wait()
		happens(s)
		cancel()
		<-ended
	})
	return at
}

func grow(s *replicatest.Station) {
	s.Apply("fep2", &fsmpb.Command{Op: &fsmpb.Command_Links{Links: &fsmpb.Links{Rtu: 1, Node: "fep2"}}})
}

func TestFollow(t *testing.T) {
	const ms = time.Millisecond
	var woken chan struct{}
	for _, c := range []struct {
		name    string
		pace    replica.Pace
		happens func(s *replicatest.Station)
		want    []time.Duration
	}{
		{"when it grows", replica.Pace{}, func(s *replicatest.Station) {
			for range 2 {
				time.Sleep(3 * ms)
				grow(s)
				synctest.Wait()
			}
		}, []time.Duration{0, 3 * ms, 6 * ms}},
		{"at once after a pause, then at its pace", replica.Pace{Least: 10 * ms}, func(s *replicatest.Station) {
			time.Sleep(50 * ms)
			for range 25 {
				grow(s)
				time.Sleep(ms)
			}
			time.Sleep(100 * ms)
		}, []time.Duration{0, 50 * ms, 60 * ms, 70 * ms, 80 * ms}},
		{"and when nothing happens", replica.Pace{Most: 20 * ms}, func(s *replicatest.Station) {
			time.Sleep(30 * ms)
			grow(s)
			time.Sleep(25 * ms)
		}, []time.Duration{0, 20 * ms, 30 * ms, 50 * ms}},
		{"and for another reason", replica.Pace{Also: func() <-chan struct{} {
			woken = make(chan struct{})
			return woken
		}}, func(*replicatest.Station) {
			time.Sleep(5 * ms)
			close(woken)
			synctest.Wait()
		}, []time.Duration{0, 5 * ms}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := rounds(t, c.pace, c.happens); !slices.Equal(got, c.want) {
				t.Errorf("rounds at %v, want %v", got, c.want)
			}
		})
	}
}

// What grows while the body looks is seen by the next round.
func TestFollowMissesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := replicatest.New(t, configuration)
		n := 0
		for range replica.Follow(t.Context(), s.Node("fep1"), replica.Pace{}) {
			if n++; n == 1000 {
				break
			}
			grow(s)
		}
	})
}
