package core

import (
	"time"

	"github.com/fepha/fepha/channeltab/internal/wire"
	"github.com/fepha/fepha/fsm/chantable"
)

// Bounds of sending the table.
const (
	lapLeast    = 500 * time.Millisecond // a small table is not sent round more often
	announced   = 64                     // last versions that a new leader tells once more: the former one may not have
	fewVersions = 64                     // what is missing, up to so many versions, is repeated to all
	manyAsking  = 4                      // so many stations with more missing: the round is sped up for all
	burstPages  = 16                     // pages to one station in one tick
	wantAfter   = time.Second            // an Ask that the rate has kept back for longer is left: it is said again
	pushEvery   = 500 * time.Millisecond // until a station without multicast confirms a change
)

// repeatAfter is when a page with changes is multicast again, since the time before: by then each loss that is
// independent of the last has been made up for, before anyone need ask.
var repeatAfter = [...]time.Duration{200 * time.Millisecond, 400 * time.Millisecond}

// tableSender is what the leader remembers of sending the table.
//
// The table goes out in order of change, not of channel number. So what changed last is at one end and is sent first;
// a copy's knowledge is a set of ranges of versions; and changes, the round, answers to asks and unicast are the same
// datagram.
type tableSender struct {
	refilled  time.Time
	multicast int // octets that may be multicast now
	unicast   int // octets that may be sent to single stations now

	sent    uint64                     // the last version multicast as a change
	repeats [len(repeatAfter)][]repeat // each in order of time
	asked   chantable.Known            // ranges to be repeated to all
	wanting int                        // stations whose wants are to be sent by unicast
	unheard unheard

	cursor uint64 // the round has got to this version
	lap    time.Time
	hurry  int // until the round has ended so often, it takes all that the rate allows
}

// repeat is a range that was multicast and is to be once more.
type repeat struct {
	chantable.Range
	due time.Time
}

func (t *tableSender) restart(now time.Time, version uint64) {
	*t = tableSender{refilled: now, wanting: t.wanting, sent: version - min(version, announced)}
	t.unheard.told = version
}

// changed notes that the table may be another one than before.
func (t *tableSender) changed(version uint64) {
	if t.sent > version {
		*t = tableSender{refilled: t.refilled, wanting: t.wanting}
		t.unheard.told = version
	}
}

// noteFloor notes what a station's copy has.
func (c *Centre) noteFloor(s *served, table, floor uint64) {
	if table != c.copy.Table() {
		floor = 0
	}
	s.floor = min(floor, c.copy.Version())
}

// asked deals with an Ask. Few missing versions are repeated to all, since many are likely to miss the same; more
// are sent to the one, unless several miss much, for whom the round is sped up. Who asks for the same again is sent it
// too: multicast may not reach it.
func (c *Centre) asked(now time.Time, s *served, a wire.Ask) {
	c.noteFloor(s, a.Table, a.Floor)
	if s.wants != nil {
		s.wants = nil
		c.sender.wanting--
	}
	if a.Table != c.copy.Table() || c.Higher.Deferring {
		return
	}
	var wants []chantable.Range
	for _, r := range a.Missing {
		r.To = min(r.To, c.copy.Version())
		if r.From < r.To {
			wants = append(wants, r)
		}
	}
	again := s.asked == a.Floor+1
	s.asked = a.Floor + 1
	if len(wants) == 0 {
		s.asked = 0
		return
	}
	few := versions(wants) <= fewVersions && !s.unicast
	if few {
		for _, r := range wants {
			c.sender.asked.Add(r)
		}
	}
	switch {
	case few && !again:
	case !few && !s.unicast && c.sender.wanting >= manyAsking:
		c.sender.hurry = 2 // to the end of this round, whose beginning they may have missed, and of another
	default:
		s.wants, s.wanted = wants, now
		c.sender.wanting++
	}
}

// tickTable sends from the table: changes, their repeats, what was asked for, and the next part of the round.
func (c *Centre) tickTable(now time.Time) {
	t := &c.sender
	elapsed := min(now.Sub(t.refilled), time.Second)
	t.refilled = now
	t.multicast = refill(t.multicast, c.Timing.MulticastRate, elapsed, c.Timing.Tick)
	t.unicast = refill(t.unicast, c.Timing.UnicastRate, elapsed, c.Timing.Tick)
	if c.copy.Table() == 0 {
		return
	}
	if c.multicasts {
		c.tickMulticast(now)
	}
	c.tickUnicast(now)
}

// refill adds what a rate (bit/s) allows in a time, up to a tick's worth and at least a datagram's. It stays a tenth
// below the rate, which with the tick's worth that may have gathered makes that no second has more than the rate.
func refill(held, rate int, elapsed, tick time.Duration) int {
	perSecond := float64(rate) / 8 * 9 / 10
	most := max(int(perSecond*tick.Seconds()), wire.MaxDatagram+48)
	return min(held+int(perSecond*elapsed.Seconds()), most)
}

func (c *Centre) tickMulticast(now time.Time) {
	t := &c.sender
	version := c.copy.Version()
	for t.sent < version && c.mayMulticast() {
		from := t.sent
		t.sent, _ = c.multicast(from, version, all)
		t.repeats[0] = append(t.repeats[0], repeat{chantable.Range{From: from, To: t.sent}, now.Add(repeatAfter[0])})
	}
	for i := range t.repeats {
		c.repeat(now, i)
	}
	for _, r := range t.asked.Ranges() {
		for r.From < r.To && c.mayMulticast() {
			r.From, _ = c.multicast(r.From, r.To, all)
		}
	}
	t.asked = chantable.Known{}
	c.round(now)
}

// repeat multicasts again what is due. What the rate has kept back for long is left to the round.
func (c *Centre) repeat(now time.Time, i int) {
	t := &c.sender
	for len(t.repeats[i]) > 0 && !now.Before(t.repeats[i][0].due) {
		r := t.repeats[i][0]
		t.repeats[i] = t.repeats[i][1:]
		if now.Sub(r.due) > time.Second {
			continue
		}
		for at := r.From; at < r.To; {
			if !c.mayMulticast() {
				t.repeats[i] = append([]repeat{{chantable.Range{From: at, To: r.To}, r.due}}, t.repeats[i]...)
				return
			}
			at, _ = c.multicast(at, r.To, all)
		}
		if i+1 < len(t.repeats) {
			t.repeats[i+1] = append(t.repeats[i+1], repeat{r.Range, now.Add(repeatAfter[i+1])})
		}
	}
}

// round sends the next entries of the table, and begins again when it is through. An empty table is told too: that is
// how the centre is found.
func (c *Centre) round(now time.Time) {
	t := &c.sender
	n := c.Timing.EntriesPerTick
	if t.hurry > 0 {
		n = all
	}
	if t.cursor >= c.copy.Version() {
		if now.Sub(t.lap) < lapLeast {
			return
		}
		t.cursor, t.lap, t.hurry = 0, now, max(0, t.hurry-1)
	}
	for n > 0 && c.mayMulticast() {
		var sent int
		t.cursor, sent = c.multicast(t.cursor, c.copy.Version(), n)
		n -= sent
		if t.cursor >= c.copy.Version() {
			return
		}
	}
}

const all = int(chantable.MaxCN)

func (c *Centre) mayMulticast() bool { return c.sender.multicast >= wire.MaxDatagram+c.overhead }

func (c *Centre) mayUnicast() bool { return c.sender.unicast >= wire.MaxDatagram+c.overhead }

// multicast sends one page from a version on, of as many entries as are wanted and fit, and returns how far it goes.
func (c *Centre) multicast(from, to uint64, entries int) (uint64, int) {
	p := c.page(from, to, wire.MaxBody, entries)
	c.counter++
	b := c.codec.Seal(wire.Datagram{
		From: c.id, Session: c.session, Counter: c.counter, Body: wire.Table{Level: c.level, Page: p},
	})
	c.sender.multicast -= len(b) + c.overhead
	c.Stats.Sent++
	c.Stats.Multicast++
	c.Stats.MulticastOctets += uint64(len(b) + c.overhead)
	c.Out = append(c.Out, wire.Packet{B: b})
	return p.To, len(p.Entries)
}

// page returns a page that fits a body of some octets.
func (c *Centre) page(from, to uint64, room, entries int) chantable.Page {
	room -= wire.TableHead
	return c.copy.Page(from, to, func(e chantable.Entry) bool {
		room -= wire.EntrySize(e)
		entries--
		return room >= 0 && entries >= 0
	})
}

// tickUnicast sends to single stations: to those that asked what they asked for, to those without multicast what has
// changed. The one unheard for longest comes first, so when the rate does not do for all, all get their turn.
func (c *Centre) tickUnicast(now time.Time) {
	t := &c.sender
	c.tellUnheard()
	for el := c.Stations.Recent.Back(); el != nil && c.mayUnicast(); el = el.Prev() {
		s := el.Value.(*sender[served])
		switch st := &s.state; {
		case st.wants != nil && now.Sub(st.wanted) > wantAfter:
			st.wants = nil // it has asked again, or no longer lacks it
			t.wanting--
		case st.wants != nil:
			c.sendWants(st)
		case st.unicast && st.granted && st.floor < c.copy.Version() && !now.Before(st.pushDue) && now.Sub(s.heard) < c.Timing.Silence:
			st.pushDue = now.Add(pushEvery)
			c.unicast(st, chantable.Range{From: st.floor, To: c.copy.Version()}, true)
		}
	}
}

// sendWants sends a burst of what a station asked for. Its answer to the last page tells what it still wants.
func (c *Centre) sendWants(s *served) {
	wants := s.wants
	s.wants = nil
	c.sender.wanting--
	for n := 1; n <= burstPages && len(wants) > 0; n++ {
		last := n == burstPages || len(wants) == 1 && c.sender.unicast < 2*(wire.MaxDatagram+c.overhead)
		to := c.unicast(s, wants[0], last)
		if wants[0].From = to; wants[0].From >= wants[0].To {
			wants = wants[1:]
		}
		if last {
			return
		}
	}
}

// unicast sends one page of a range to a station and returns how far it goes.
func (c *Centre) unicast(s *served, r chantable.Range, confirm bool) uint64 {
	room := wire.MaxBody
	if s.route.via.IsValid() {
		room = wire.MaxRelayed - wire.HeadSize - wire.TagSize
	}
	p := c.page(r.From, r.To, room, all)
	c.counter++
	c.sender.unicast -= wire.HeadSize + wire.TagSize + wire.TableHead + c.overhead
	for _, e := range p.Entries {
		c.sender.unicast -= wire.EntrySize(e)
	}
	c.send(s.route, wire.Datagram{Counter: c.counter, To: s.id, Body: wire.Table{Confirm: confirm, Level: c.level, Page: p}})
	return p.To
}
