package core

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/fepha/fepha/channeltab/internal/wire"
	"github.com/fepha/fepha/fsm/chantable"
)

// These are about what only a faulty or hostile holder of a key, or of recordings, would send.

// TestRecordedAcksKeepNobodyAlive: a message that its peer holds back is not given up; but recordings of the Ack that
// says so do not count.
func TestRecordedAcksKeepNobodyAlive(t *testing.T) {
	w, a, b := pair(t)
	var recorded []byte
	w.tap = func(_, to netip.AddrPort, raw []byte) bool {
		d, _ := a.setup.Codec.Open(raw)
		if ack, ok := d.Body.(wire.Ack); ok && !ack.Delivered {
			recorded = slices.Clone(raw)
		}
		data, ok := d.Body.(wire.Data)
		return ok && data.Seq == 1 // the first never arrives, so the second waits
	}
	if _, err := a.send(2, "one", wire.InOrder); err != nil {
		t.Fatal(err)
	}
	second, err := a.send(2, "two", wire.InOrder)
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
		if d, _ := a.setup.Codec.Open(raw); recorded == nil && from == b.address {
			if _, ok := d.Body.(wire.Hello); ok {
				recorded = slices.Clone(raw)
			}
		}
		return false
	}
	if _, err := a.send(2, "before", wire.AnyOrder); err != nil {
		t.Fatal(err)
	}
	w.run(time.Second)
	b.crash()
	b.begin()
	w.run(6 * time.Second)
	h, err := a.send(2, "after", wire.AnyOrder)
	if err != nil {
		t.Fatal(err)
	}
	w.run(2500 * time.Microsecond) // the new contact is known, the message is on its way
	if m := a.core.Pool.peers[2].streams[wire.AnyOrder].pending; len(m) != 1 || m[0].under == 0 {
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
	for _, body := range []wire.Body{wire.Knock{}, wire.Data{Seq: 1, Length: 1, Payload: []byte("x")}} {
		d := wire.Datagram{From: 1, Session: 99, Counter: 1, To: 3, Body: body}
		b.core.Handle(w.now, a.address, false, &d)
		answer, err := a.setup.Codec.Open(b.core.Out[0].B)
		if hello, ok := answer.Body.(wire.Hello); err != nil || !ok || hello.Offer != 0 || hello.EchoTo != 3 {
			t.Errorf("%s for another is answered with %s", body.Kind(), answer)
		}
		b.core.Out = nil
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
		d, _ := a.setup.Codec.Open(raw)
		data, ok := d.Body.(wire.Data)
		if !ok || data.AckNow && data.Count() == count && data.Index == count-1 && len(b.got) == 0 && w.now.Equal(last) {
			return false
		}
		if w.now.Equal(last) { // one fragment of each burst gets through, and the one that asks for the Ack
			return !data.AckNow
		}
		last = w.now
		return false
	}
	h, err := a.send(2, string(make([]byte, count*wire.MaxFragment)), wire.AnyOrder)
	if err != nil {
		t.Fatal(err)
	}
	w.run(15 * time.Second)
	if err, ok := a.results[h]; err != nil || !ok || len(b.got) != 1 {
		t.Errorf("after 15 s: %v, settled %t", err, ok)
	}
	if n := a.core.Stats.Resent; n <= uint64(w.timing.Resends) {
		t.Errorf("sent again %d times, want more than %d for this test to tell anything", n, w.timing.Resends)
	}
}

// TestBurst: however much an application gives, only so many fragments are on their way at once.
func TestBurst(t *testing.T) {
	w, a, _ := pair(t)
	if _, err := a.send(2, "contact", wire.AnyOrder); err != nil {
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
		if _, err := a.send(2, string(make([]byte, wire.MaxMessage)), wire.AnyOrder); err != nil {
			t.Fatal(err)
		}
	}
	if most := maxInFlight + wire.Fragments(wire.MaxMessage); sent > most {
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
	codec := a.setup.Codec
	stranger := netip.MustParseAddrPort("10.66.6.6:6666")
	register := codec.Seal(wire.Datagram{From: 66, Session: 1, Counter: 1, Body: wire.Register{Instance: 1, Name: "x"}})
	for name, d := range map[string]wire.Datagram{
		"a relay from no node":        {From: 900, To: 900, Body: wire.Relay{Origin: stranger, Inner: register}},
		"an order to send":            {From: 900, To: 900, Body: wire.Relayed{Destination: stranger, Inner: register}},
		"data":                        {From: 66, To: 900, Body: wire.Data{}},
		"a request for another":       {From: 66, To: 5, Session: 1, Counter: 1, Body: wire.Ask{}},
		"an answer it never asked":    {From: 66, To: 900, Body: wire.Answer{Outcome: wire.Granted, Level: 255}},
		"a hello it never asked":      {From: 66, To: 900, Body: wire.Hello{}},
		"a page of an equal centre":   {From: 901, Body: wire.Table{Level: 1}},
		"its own page, come back":     {From: 900, Body: wire.Table{Level: 255}},
		"an order to send, from afar": {From: 901, To: 900, Body: wire.Relayed{Destination: a.address}},
	} {
		before := len(n.core.known())
		n.core.Receive(w.now, stranger, true, codec.Seal(d))
		if len(n.core.Out) != 0 || n.core.Higher.station != nil || len(n.core.known()) != before {
			t.Errorf("%s: %d datagrams sent, higher centre %t", name, len(n.core.Out), n.core.Higher.station != nil)
		}
		n.core.Out = nil
	}
}

func (c *Centre) known() map[uint64]bool {
	m := map[uint64]bool{}
	for s := range c.Stations.known {
		m[s] = true
	}
	for s := range c.Stations.offers {
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
		d, err := a.setup.Codec.Open(raw)
		if err != nil {
			t.Errorf("the centre sent %x: %v", raw, err)
		}
		if table, ok := d.Body.(wire.Table); ok {
			pages++
			if table.Page.To > w.group.table().Version() {
				t.Errorf("a page up to version %d of %d", table.Page.To, w.group.table().Version())
			}
		}
		return false
	}
	version := c.copy.Version()
	for _, missing := range [][]chantable.Range{{{From: version, To: version + 5}}, {{From: 0, To: 1 << 60}}, {{From: 1 << 60, To: 1<<60 + 1}}} {
		c.asked(w.now, &served{route: route{to: a.address}}, wire.Ask{Table: c.copy.Table(), Missing: missing})
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
		d, _ := a.setup.Codec.Open(raw)
		if _, ok := d.Body.(wire.Answer); ok {
			answers++
		}
		return false
	}
	c.propose(w.now)
	a.core.Reg.Due = w.now // what it says is what its entry has
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
