package acquisition

import (
	"slices"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
)

// The owner's cable to the field is cut where nobody is told. Its link is silent: it is left within 3.5 s if the other FEP
// reaches the device, which finds that out anew for it; while both are silent nothing is left.
func TestSilentLink(t *testing.T) {
	for name, c := range map[string]struct {
		probe Probe
		both  bool
	}{
		"connect":       {ProbeConnect, false},
		"hold":          {ProbeHold, false},
		"connect, both": {ProbeConnect, true},
		"hold, both":    {ProbeHold, true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				rtu := testRTU(1, channel("a:1"), channel("a:2"))
				rtu.StandbyProbe, rtu.LinkCheck = c.probe, 2*time.Second
				b := newBench(t, rtu)
				newDevice(t, b.net, quirks{}, "a:1", "a:2")
				b.start("fep1", "fep2")
				links := func(node string, is func(fsm.Link) bool) (any bool) {
					b.View(func(s *fsm.State) { any = slices.ContainsFunc(s.Links(1, node), is) })
					return any
				}
				active := func(l fsm.Link) bool { return l.State == fsm.LinkActive }
				b.until(10*time.Second, "an active link", func() bool { return links("fep1", active) })
				b.until(30*time.Second, "the other FEP reaches it", func() bool { return links("fep2", fsm.Link.Good) })
				time.Sleep(30 * time.Second)
				if !links("fep1", func(l fsm.Link) bool { return l.State == fsm.LinkActive && !l.Doubted }) {
					t.Fatal("an idle link that answers is left, or doubted")
				}
				b.net.setCut("fep1", true)
				b.net.setCut("fep2", c.both)
				began := time.Now()
				if c.both {
					time.Sleep(10 * time.Second)
					if !links("fep1", active) {
						t.Error("left, though the other FEP doesn't reach the device either")
					}
					if links("fep2", fsm.Link.Good) {
						t.Error("the other FEP says that it reaches the device")
					}
					b.net.setCut("fep2", false)
				}
				limit := 3500 * time.Millisecond
				if c.both { // the next probe of the other FEP finds out
					limit = 2 * time.Minute
				}
				b.until(limit, "the silent link is left", func() bool { return !links("fep1", active) && links("fep2", fsm.Link.Good) })
				t.Logf("left after %v", time.Since(began))
			})
		})
	}
}

// The owner's cable to the field is pulled, and it sees that: all its links end at once, and none that isn't connected is taken
// for reachable, so that the leader can move the RTU.
func TestCarrierIsLost(t *testing.T) {
	for name, c := range map[string]struct {
		probe       Probe
		newestFirst bool
	}{
		"connect":             {ProbeConnect, false},
		"hold, started first": {ProbeHold, false},
		"hold, held first":    {ProbeHold, true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				rtu := testRTU(1, channel("a:1"), channel("a:2"))
				rtu.StandbyProbe = c.probe
				b := newBench(t, rtu)
				newDevice(t, b.net, quirks{}, "a:1", "a:2")
				b.start("fep1", "fep2")
				any := func(node string, is func(fsm.Link) bool) bool {
					return slices.ContainsFunc(links(b.Station, 1, node), is)
				}
				b.until(10*time.Second, "an active link", func() bool {
					return any("fep1", func(l fsm.Link) bool { return l.State == fsm.LinkActive })
				})
				b.until(time.Minute, "the other FEP reaches it", func() bool { return any("fep2", fsm.Link.Good) })
				time.Sleep(time.Minute)
				b.net.pull("fep1", c.newestFirst)
				b.until(100*time.Millisecond, "the owner reaches it over nothing", func() bool {
					return !any("fep1", fsm.Link.Good) && !any("fep1", func(l fsm.Link) bool { return l.State == fsm.LinkActive })
				})
				b.remains(20*time.Second, "it's so, and the other FEP reaches it", func() bool {
					return !any("fep1", fsm.Link.Good) && any("fep2", fsm.Link.Good)
				})
				b.net.setCut("fep1", false)
				b.until(2*time.Minute, "it does again when the cable is back", func() bool { return any("fep1", fsm.Link.Good) })
			})
		})
	}
}

// What is probed because the started link is silent hasn't disturbed that one, whichever node probes: nothing is left alone
// for it, however often a cable is pulled.
func TestExaminingDisturbsNothing(t *testing.T) {
	for _, owner := range []bool{true, false} {
		const retry = 20 * time.Second // so that no other probe comes between
		s := newSequencer([]Channel{{Links: []string{"a"}}, {Links: []string{"b"}}}, retry, ProbeConnect, 0)
		now := time.Duration(0)
		answer := func(reachable bool) { // to all that was begun
			for _, a := range s.takeActions() {
				switch {
				case a.verb == checkLink:
					s.checked(now, a.linkKey, reachable)
				case a.verb == dialLink && reachable:
					s.connected(now, a.linkKey)
				case a.verb == startLink:
					s.started(now, a.linkKey)
				default:
					s.lost(now, a.linkKey)
				}
			}
		}
		s.own(now, owner)
		for range 5 {
			s.peer(now, !owner, false)
			for end := now + retry; now < end; now += 100 * time.Millisecond {
				s.tick(now)
				answer(true)
			}
			s.examine(now)
			now += 700 * time.Millisecond
			if owner {
				s.lost(now, linkKey{s.current, 0})
			} else {
				s.peer(now, false, true)
			}
			answer(false)
		}
		if n := s.takeQuieted(); n > 0 {
			t.Errorf("owner %t: %d links are left alone", owner, n)
		}
	}
}

// A link that isn't probed, since the device seemed to drop its client for a probe, is doubted with the others, so that it
// doesn't keep the RTU; until the owner has tried it.
func TestLinkThatIsLeftAloneIsDoubted(t *testing.T) {
	s := newSequencer([]Channel{{Links: []string{"a"}}, {Links: []string{"b"}}}, time.Second, ProbeConnect, 0)
	a, b := linkKey{0, 0}, linkKey{1, 0}
	s.link(b).probing.until = quiet
	s.own(0, true)
	s.connected(0, a)
	s.started(0, a)
	s.takeActions()
	s.examine(time.Minute)
	if !s.link(b).doubted || s.link(a).doubted || len(s.takeActions()) != 0 {
		t.Fatal("it isn't doubted, or it's probed, or what is started is doubted")
	}
	for _, c := range []conn{dialing, checking} { // an attempt that is under way may hang for as long as t0
		s.link(b).conn, s.link(b).doubted = c, false
		if s.examine(time.Minute); !s.link(b).doubted {
			t.Errorf("in state %d it isn't doubted", c)
		}
	}
	s.takeActions()
	s.link(b).conn = idle
	s.lost(time.Minute, a)
	s.tick(time.Minute + time.Second)
	if actions := s.takeActions(); len(actions) != 1 || actions[0] != (action{dialLink, b}) || !s.link(b).doubted {
		t.Fatalf("%v; doubted %t", actions, s.link(b).doubted)
	}
	s.connected(time.Minute+time.Second, b)
	if s.link(b).doubted {
		t.Error("it's doubted still")
	}
}

// A link that was silent before it was lost, or whose carrier is lost, wasn't lost because of a probe right before.
func TestSilentLinkIsNotDisturbed(t *testing.T) {
	for _, doubted := range []bool{true, false} {
		s := newSequencer([]Channel{{Links: []string{"a"}}, {Links: []string{"b"}}}, 10*time.Second, ProbeHold, 0)
		a, b := linkKey{0, 0}, linkKey{1, 0}
		s.own(0, true)
		for round := range time.Duration(disturbedTwice) {
			now := round * time.Hour
			s.take(now, 0)
			s.link(a).conn, s.link(a).since = started, now
			now += time.Minute
			s.probed(now, s.link(b))
			s.doubt(a, doubted)
			s.lost(now+disturbedWithin/2, a)
		}
		if quieted := s.takeQuieted(); (quieted > 0) == doubted {
			t.Errorf("doubted %t: %d links are left alone", doubted, quieted)
		}
	}
}

// However often the owner's cable is cut, the other FEP's links stay good: that it finds out anew whether it reaches the device
// isn't why the owner leaves its link.
func TestOtherFEPStaysReadyThroughSilentLinks(t *testing.T) {
	for name, probe := range map[string]Probe{"connect": ProbeConnect, "hold": ProbeHold} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				rtu := testRTU(1, channel("a:1"), channel("a:2"))
				rtu.StandbyProbe, rtu.LinkCheck, rtu.Retry = probe, 2*time.Second, 20*time.Second
				b := newBench(t, rtu)
				newDevice(t, b.net, quirks{}, "a:1", "a:2")
				b.start("fep1", "fep2")
				any := func(node string, is func(fsm.Link) bool) bool {
					return slices.ContainsFunc(links(b.Station, 1, node), is)
				}
				active := func() bool {
					return any("fep1", func(l fsm.Link) bool { return l.State == fsm.LinkActive && !l.Doubted })
				}
				for range 4 {
					b.until(5*time.Minute, "an active link", active)
					b.until(5*time.Minute, "the other FEP reaches it", func() bool { return any("fep2", fsm.Link.Good) })
					time.Sleep(30 * time.Second)
					b.net.setCut("fep1", true)
					b.until(4*time.Second, "the silent link is left", func() bool { return !any("fep1", func(l fsm.Link) bool { return l.State == fsm.LinkActive }) })
					b.until(2*time.Second, "the other FEP still reaches it", func() bool { return any("fep2", fsm.Link.Good) })
					b.net.setCut("fep1", false)
				}
			})
		})
	}
}
