package channeltab

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm/chantable"
)

// These are about what only a faulty or hostile holder of a key, or of recordings, would send.

// TestRecordedAcksKeepNobodyAlive: a message that its peer holds back is not given up; but recordings of the Ack that
// says so do not count.
func TestRecordedAcksKeepNobodyAlive(t *testing.T) {
	w, a, b := pair(t)
	var recorded []byte
	w.tap = func(_, to netip.AddrPort, raw []byte) bool {
		d, _ := a.setup.codec.Open(raw)
		if ack, ok := d.Body.(Ack); ok && !ack.Delivered {
			recorded = slices.Clone(raw)
		}
		data, ok := d.Body.(Data)
		return ok && data.Seq == 1 // the first never arrives, so the second waits
	}
	if _, err := a.send(2, "one", InOrder); err != nil {
		t.Fatal(err)
	}
	second, err := a.send(2, "two", InOrder)
	if err != nil {
		t.Fatal(err)
	}
	w.run(time.Second)
	if recorded == nil {
		t.Fatal("the second message was not held")
	}
	b.crash()
	for range 60 {
		a.receive(b.address, false, recorded)
		w.run(100 * time.Millisecond)
	}
	if err, ok := a.results[second]; !ok || !errors.Is(err, ErrNotAcknowledged) {
		t.Errorf("after 6 s: %v, settled %t", err, ok)
	}
}

// TestRecordedHelloChangesNoContact: an offer of long ago does not throw messages under way into doubt.
func TestRecordedHelloChangesNoContact(t *testing.T) {
	w, a, b := pair(t)
	var recorded []byte
	w.tap = func(from, to netip.AddrPort, raw []byte) bool {
		if d, _ := a.setup.codec.Open(raw); recorded == nil && from == b.address {
			if _, ok := d.Body.(Hello); ok {
				recorded = slices.Clone(raw)
			}
		}
		return false
	}
	if _, err := a.send(2, "before", AnyOrder); err != nil {
		t.Fatal(err)
	}
	w.run(time.Second)
	b.crash()
	b.begin()
	w.run(6 * time.Second)
	h, err := a.send(2, "after", AnyOrder)
	if err != nil {
		t.Fatal(err)
	}
	w.run(2500 * time.Microsecond) // the new contact is known, the message is on its way
	if m := a.core.pool.peers[2].streams[AnyOrder].pending; len(m) != 1 || m[0].under == 0 {
		t.Fatal("the message is not on its way")
	}
	a.receive(b.address, false, recorded)
	w.run(time.Second)
	if err, ok := a.results[h]; err != nil || !ok {
		t.Errorf("the message: %v, settled %t", err, ok)
	}
}

// TestDataForAnother is neither delivered nor given a contact.
func TestDataForAnother(t *testing.T) {
	w, a, b := pair(t)
	for _, body := range []Body{Knock{}, Data{Seq: 1, Length: 1, Payload: []byte("x")}} {
		d := Datagram{From: 1, Session: 99, Counter: 1, To: 3, Body: body}
		b.core.handle(w.now, a.address, false, &d)
		answer, err := a.setup.codec.Open(b.core.out[0].b)
		if hello, ok := answer.Body.(Hello); err != nil || !ok || hello.Offer != 0 || hello.EchoTo != 3 {
			t.Errorf("%s for another is answered with %s", body.kind(), answer)
		}
		b.core.out = nil
	}
	if len(b.core.senders.offers) != 0 || len(b.core.senders.known) != 0 {
		t.Error("a contact was given")
	}
}

// TestProgressIsSlow: as long as each attempt brings a fragment more, a message is not given up.
func TestProgressIsSlow(t *testing.T) {
	w, a, b := pair(t)
	const count = 20 // far more than Resends
	last := time.Time{}
	w.tap = func(_, _ netip.AddrPort, raw []byte) bool {
		d, _ := a.setup.codec.Open(raw)
		data, ok := d.Body.(Data)
		if !ok || data.AckNow && data.Count() == count && data.Index == count-1 && len(b.got) == 0 && w.now.Equal(last) {
			return false
		}
		if w.now.Equal(last) { // one fragment of each burst gets through, and the one that asks for the Ack
			return !data.AckNow
		}
		last = w.now
		return false
	}
	h, err := a.send(2, string(make([]byte, count*maxFragment)), AnyOrder)
	if err != nil {
		t.Fatal(err)
	}
	w.run(15 * time.Second)
	if err, ok := a.results[h]; err != nil || !ok || len(b.got) != 1 {
		t.Errorf("after 15 s: %v, settled %t", err, ok)
	}
	if n := a.core.stats.Resent; n <= uint64(w.timing.Resends) {
		t.Errorf("sent again %d times, want more than %d for this test to tell anything", n, w.timing.Resends)
	}
}

// TestBurst: however much an application gives, only so many fragments are on their way at once.
func TestBurst(t *testing.T) {
	w, a, _ := pair(t)
	if _, err := a.send(2, "contact", AnyOrder); err != nil {
		t.Fatal(err)
	}
	w.run(time.Second)
	sent := 0
	w.tap = func(from, _ netip.AddrPort, _ []byte) bool {
		if from == a.address {
			sent++
		}
		return false
	}
	for range 10 {
		if _, err := a.send(2, string(make([]byte, MaxMessage)), AnyOrder); err != nil {
			t.Fatal(err)
		}
	}
	if most := maxInFlight + fragments(MaxMessage); sent > most {
		t.Errorf("%d datagrams at once, want at most %d", sent, most)
	}
	w.run(5 * time.Second)
	if len(a.results) != 11 {
		t.Errorf("%d messages are settled, want 11", len(a.results))
	}
}

// TestCentreIgnoresWhatIsNotForIt: each of these is counted and has no effect.
func TestCentreIgnoresWhatIsNotForIt(t *testing.T) {
	w, a, _ := pair(t)
	n := w.group.nodes[0]
	codec := a.setup.codec
	stranger := netip.MustParseAddrPort("10.66.6.6:6666")
	register := codec.Seal(Datagram{From: 66, Session: 1, Counter: 1, Body: Register{Instance: 1, Name: "x"}})
	for name, d := range map[string]Datagram{
		"a relay from no node":        {From: 900, To: 900, Body: Relay{Origin: stranger, Inner: register}},
		"an order to send":            {From: 900, To: 900, Body: Relayed{Destination: stranger, Inner: register}},
		"data":                        {From: 66, To: 900, Body: Data{}},
		"a request for another":       {From: 66, To: 5, Session: 1, Counter: 1, Body: Ask{}},
		"an answer it never asked":    {From: 66, To: 900, Body: Answer{Outcome: Granted, Level: 255}},
		"a hello it never asked":      {From: 66, To: 900, Body: Hello{}},
		"a page of an equal centre":   {From: 901, Body: Table{Level: 1}},
		"its own page, come back":     {From: 900, Body: Table{Level: 255}},
		"an order to send, from afar": {From: 901, To: 900, Body: Relayed{Destination: a.address}},
	} {
		before := len(n.core.known())
		n.core.receive(w.now, stranger, true, codec.Seal(d))
		if len(n.core.out) != 0 || n.core.higher.station != nil || len(n.core.known()) != before {
			t.Errorf("%s: %d datagrams sent, higher centre %t", name, len(n.core.out), n.core.higher.station != nil)
		}
		n.core.out = nil
	}
}

func (c *centreCore) known() map[uint64]bool {
	m := map[uint64]bool{}
	for s := range c.stations.known {
		m[s] = true
	}
	for s := range c.stations.offers {
		m[s] = true
	}
	return m
}

// TestAskBeyond: a station that asks for versions that there are not yet gets no page that claims to know them.
func TestAskBeyond(t *testing.T) {
	w, a, _ := pair(t)
	c := w.group.nodes[0].core
	pages := 0
	w.tap = func(_, _ netip.AddrPort, raw []byte) bool {
		d, err := a.setup.codec.Open(raw)
		if err != nil {
			t.Errorf("the centre sent %x: %v", raw, err)
		}
		if table, ok := d.Body.(Table); ok {
			pages++
			if table.Page.To > w.group.table().Version() {
				t.Errorf("a page up to version %d of %d", table.Page.To, w.group.table().Version())
			}
		}
		return false
	}
	version := c.copy.Version()
	for _, missing := range [][]chantable.Range{{{From: version, To: version + 5}}, {{From: 0, To: 1 << 60}}, {{From: 1 << 60, To: 1<<60 + 1}}} {
		c.asked(w.now, &served{route: route{to: a.address}}, Ask{Table: c.copy.Table(), Missing: missing})
		w.run(time.Second)
	}
	if pages == 0 {
		t.Error("no page was sent")
	}
}

// TestNothingIsAnsweredWhileTheTableIsTakenOver: a claim is decided on the table with what is adopted, not before.
func TestNothingIsAnsweredWhileTheTableIsTakenOver(t *testing.T) {
	w, a, _ := pair(t)
	g := w.group
	c := g.nodes[0].core
	const n = 3*maxBatch + 5
	for i := range n {
		id := chantable.ID(n - i) // the one that registers comes last
		c.adopt(chantable.Entry{CN: chantable.CN(i + 1), ID: id, Address: stationAddress(id), Online: true, Name: fmt.Sprint(id)})
	}
	g.commit = 100 * time.Millisecond
	answers := 0
	w.tap = func(_, _ netip.AddrPort, raw []byte) bool {
		d, _ := a.setup.codec.Open(raw)
		if _, ok := d.Body.(Answer); ok {
			answers++
		}
		return false
	}
	c.propose(w.now)
	a.core.reg.due = w.now // what it says is what its entry has
	a.work()
	w.run(300 * time.Millisecond)
	if answers > 0 || c.claims.adopts == 0 {
		t.Errorf("%d answers while %d entries are to be adopted", answers, c.claims.adopts)
	}
	w.run(3 * time.Second)
	if answers == 0 || a.state != Registered || c.claims.adopts != 0 {
		t.Errorf("then %d answers, the station is %s, %d entries to be adopted", answers, a.state, c.claims.adopts)
	}
	if table := g.table(); table.Len() != n {
		t.Errorf("%d stations in the table, want %d", table.Len(), n)
	}
}
