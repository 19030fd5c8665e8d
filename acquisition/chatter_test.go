package acquisition

import (
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/acquisition/findings"
	"github.com/fepha/fepha/condition/conditiontest"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104/asdu"
)

// chattering is an intake whose first point chatters beyond 3 events in 10 s; the second one never does.
type chatteringPoint struct {
	t   *testing.T
	in  *intake
	now time.Time
}

func newChattering(t *testing.T) *chatteringPoint {
	return &chatteringPoint{t: t, now: time.Unix(1_700_000_000, 0), in: testIntake(
		Point{Kind: fsmpb.Kind_DI, Number: 1, Address: 100, Chatter: &Chatter{3, 10 * time.Second}},
		Point{Kind: fsmpb.Kind_DI, Number: 2, Address: 101},
	)}
}

// sends has the device send a value with a tag this long after the beginning, and returns what the state is told.
func (c *chatteringPoint) sends(cause asdu.CauseOfTransmission, address asdu.InformationObjectAddress, value float64, tag time.Duration) string {
	c.t.Helper()
	at := asdu.NewCP56Time2a(time.Unix(1_700_000_000, 0).Add(tag).UTC(), time.UTC)
	typ := asdu.M_SP_TB_1
	if cause != asdu.Spontaneous {
		typ = asdu.M_SP_NA_1
	}
	c.in.add(asduOf(c.t, typ, cause, asdu.Object{Address: address, Value: value, Time: at}), c.in.clock.arrival(c.now))
	return c.told()
}

func (c *chatteringPoint) told() string { return strings.Join(words(c.in.take()), "; ") }

func (c *chatteringPoint) expect(what, got, want string) {
	c.t.Helper()
	if got != want {
		c.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestChatterIsHeldAndToldTwice(t *testing.T) {
	c := newChattering(t)
	for i, want := range []string{"event di 1 = 0 0x0", "event di 1 = 1 0x0", "event di 1 = 0 0x0", "event di 1 = 1 0x10", "image di 1 = 0 0x10", "image di 1 = 1 0x10"} {
		c.expect("event", c.sends(asdu.Spontaneous, 100, float64(i%2), time.Duration(i)*time.Second), want)
	}
	c.expect("another point", c.sends(asdu.Spontaneous, 101, 1, 0), "event di 2 = 1 0x0")
	c.expect("an interrogation", c.sends(asdu.InterrogatedStation, 100, 0, 0), "image di 1 = 0 0x10")

	// It goes on: too much within the next span.
	again := c.in.release(c.now)
	if again != c.now.Add(10*time.Second) {
		t.Errorf("to look again in %v", again.Sub(c.now))
	}
	c.now = again
	again = c.in.release(c.now)
	c.expect("while it goes on", c.told(), "")

	// It slows down to one in a span, and is told to have become quiet, with the value that it has then.
	c.expect("a last one", c.sends(asdu.Spontaneous, 100, 1, time.Minute), "image di 1 = 1 0x10")
	if early := c.in.release(again.Add(-time.Millisecond)); early != again {
		t.Errorf("asked early, to look again in %v", early.Sub(again))
	}
	if left := c.in.release(again); !left.IsZero() {
		t.Errorf("to look again at %v", left)
	}
	if !c.in.events {
		t.Error("the end is no event")
	}
	c.expect("its end", c.told(), "event di 1 = 1 0x0")
	c.expect("afterwards", c.sends(asdu.Spontaneous, 100, 0, time.Hour), "event di 1 = 0 0x0")
	if n := c.in.faults.counts[chattering].Load(); n != 4 {
		t.Errorf("%d counted, want 3 that were held and the one that began it", n)
	}
}

// What a device kept while it was cut off comes at once, with tags far apart, and is no chatter.
func TestBacklogIsNoChatter(t *testing.T) {
	c := newChattering(t)
	for i := range 100 {
		c.expect("event", c.sends(asdu.Spontaneous, 100, float64(i%2), time.Duration(i)*4*time.Second), []string{"event di 1 = 0 0x0", "event di 1 = 1 0x0"}[i%2])
	}
}

// A value that only replaces the one before never comes before an event of its point in the same batch.
func TestImageAfterEventStaysAfterIt(t *testing.T) {
	c := newChattering(t)
	for i := range 6 {
		at := asdu.NewCP56Time2a(time.Unix(1_700_000_000, 0).UTC(), time.UTC)
		c.in.add(asduOf(t, asdu.M_SP_TB_1, asdu.Spontaneous, asdu.Object{Address: 100, Value: float64(i % 2), Time: at}), c.in.clock.arrival(c.now))
	}
	c.in.release(c.now.Add(10 * time.Second))
	c.in.release(c.now.Add(20 * time.Second))
	c.expect("all in one batch", c.told(), "event di 1 = 0 0x0; event di 1 = 1 0x0; event di 1 = 0 0x0; event di 1 = 1 0x10; image di 1 = 1 0x10; event di 1 = 1 0x0")
}

func TestBrake(t *testing.T) {
	var b brake
	now := time.Unix(1_700_000_000, 0)
	s := &session{}
	if r := b.hold([]receipt{{s, 1}}, 1_000_000, now); len(r) != 1 {
		t.Fatal("held although there is no need")
	}
	b.on = true
	if r := b.hold([]receipt{{s, 2}}, 500, now); len(r) != 0 || b.release != now.Add(500*time.Millisecond) {
		t.Fatalf("500 events are acknowledged in %v", b.release.Sub(now))
	}
	// What comes meanwhile is acknowledged with it, not before.
	if r := b.hold([]receipt{{s, 3}}, 0, now.Add(100*time.Millisecond)); len(r) != 0 {
		t.Fatal("acknowledged out of turn")
	}
	if r := b.due(now.Add(499 * time.Millisecond)); r != nil {
		t.Fatal("too early")
	}
	if r := b.due(now.Add(500 * time.Millisecond)); len(r) != 1 || r[0].upTo != 3 {
		t.Fatalf("%+v", r)
	}
	// However much came, an acknowledgement waits for no longer than a device may.
	if b.hold([]receipt{{s, 4}}, 1_000_000, now.Add(time.Second)); b.release != now.Add(time.Second).Add(maxBrake) {
		t.Fatalf("held for %v", b.release.Sub(now))
	}
	b.due(b.release)
	b.on = false
	if r := b.hold([]receipt{{s, 5}}, 100, now.Add(time.Hour)); len(r) != 1 {
		t.Fatal("held although it's over")
	}
}

// What is held, and what is braked, is a condition as long as it lasts; another owner knows of neither.
func TestDefencesAreTold(t *testing.T) {
	said := new(conditiontest.Said)
	c := newChattering(t)
	c.in.findings = findings.New(said, "rtu/1", func() {})
	for i := range 6 {
		c.sends(asdu.Spontaneous, 100, float64(i%2), time.Duration(i)*time.Second)
	}
	if text := said.Says("rtu.1.chattering"); !strings.Contains(text, "1 points change too often and are held, such as di/1") {
		t.Errorf("%q", text)
	}
	c.in.release(c.now.Add(10 * time.Second))
	if said.IDs() != "rtu.1.chattering" {
		t.Errorf("%q while it goes on", said.IDs())
	}
	c.in.release(c.now.Add(20 * time.Second))
	if said.IDs() != "" {
		t.Errorf("%q when it's quiet", said.IDs())
	}
}

// The brake's condition ends when the control centre has come, though the device says nothing more.
func TestBrakeIsTold(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b, d := oneRTU(t, quirks{}, nil)
		const group, retain = "uplink/occ/a", 100
		b.Do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: &fsmpb.Configure{
			Digest: "another", Retain: retain, Nodes: []*fsmpb.Configure_Node{{Id: "fep1", Host: 1, Role: "fep"}, {Id: "fep2", Host: 2, Role: "fep"}},
			Rtus:   []*fsmpb.Configure_RTU{{Number: 1, Links: []uint32{1}}},
			Groups: []*fsmpb.Configure_Group{{Uplink: "occ", Group: "a", Mode: fsmpb.Configure_EXCLUSIVE}},
		}}})
		b.Do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Claim{Claim: &fsmpb.Claim{Resource: group, Node: "fep1"}}})
		b.start("fep1", "fep2")
		b.until(10*time.Second, "an active link", b.active)
		for i := range retain + 10 {
			d.change(2, float64(i%2))
			time.Sleep(100 * time.Millisecond)
		}
		b.until(10*time.Second, "it's braked, and told", func() bool {
			return strings.Contains(b.said.Says("rtu.1.braked"), "its part of the journal is 100: acknowledged at 1000 events a second")
		})
		var last uint64
		b.View(func(s *fsm.State) { last = s.JournalLast() })
		b.Do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Cursor{Cursor: &fsmpb.Cursor{Resource: group, Seq: last, Epoch: b.Resource(group).Epoch}}})
		b.until(2*brakeEvery, "it's over", func() bool { return b.said.IDs() == "" })
	})
}
