package cluster

import (
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
)

func TestOutageIsKnown(t *testing.T) {
	const now = time.Hour
	for _, c := range []struct {
		name       string
		led        time.Duration // ago; 0: never
		heard      bool
		lastLeader time.Duration // ago
		want       bool
	}{
		{"this process has heard no leader: nobody knows", 0, false, time.Second, true},
		{"a takeover", 0, true, 400 * time.Millisecond, false},
		{"a takeover that took long", 0, true, outageAfter + 1, true},
		{"it leads again, and has not heard another one for long", time.Second, true, 30 * time.Minute, false},
		{"it leads again, after a while without a quorum", 10 * time.Second, true, 30 * time.Minute, true},
		{"it leads again, and never heard another one", time.Second, false, 30 * time.Minute, false},
	} {
		l := &leadership{parts: &leaderParts{
			clock:      func() time.Duration { return now },
			heard:      func() bool { return c.heard },
			lastLeader: func() time.Duration { return now - c.lastLeader },
		}}
		if c.led != 0 {
			l.led = now - c.led
		}
		if got := l.outage(); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

// Whoever leads first after all nodes were started anew has the state know of it before there is a lease; one who takes over
// does not. A group that is formed has nothing yet that could be old.
func TestOutageOfTheStation(t *testing.T) {
	s := newStation(t, nil)
	outages := func() (n uint64) {
		s.leader().View(func(s *fsm.State) { n = s.Revisions().Outages })
		return n
	}
	until(t, "a configuration is in force", func() bool { return s.inForce(s.leader().ID()) != "" })
	if n := outages(); n != 0 {
		t.Errorf("%d outages after the first start, expected none", n)
	}
	to := "fep1"
	if s.leader().ID() == to {
		to = "fep2"
	}
	if err := s.leader().Transfer(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	until(t, "another leader", func() bool { return s.leader().ID() == to })
	if n := outages(); n != 0 {
		t.Errorf("%d outages after a transfer, expected none", n)
	}
	for _, m := range s.members {
		s.stop(m.ID)
	}
	for _, m := range s.members {
		s.start(m.ID)
	}
	tenure := s.owned("fep1", fsm.RTUResource(1))
	defer tenure.Close()
	s.nodes["fep1"].View(func(s *fsm.State) {
		if n := s.Revisions().Outages; n < 1 {
			t.Errorf("%d outages when a node has a tenure again, expected one", n)
		}
	})
}
