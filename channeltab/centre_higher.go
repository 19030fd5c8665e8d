package channeltab

import (
	"net/netip"
	"slices"
	"time"

	"github.com/fepha/fepha/fsm/chantable"
)

// higher is the leader's dealings with a centre of a higher level elsewhere in the network. While there is one, this
// centre registers with it like any station, and sends its own stations there. That the other is alive is known by its
// answers alone, which are fresh; its multicasts, which could be replayed, only tell where to ask.
type higher struct {
	configured []netip.AddrPort
	station    *stationCore // this centre as a station of the other; nil: none is known
	since      time.Time    // when station was made
	answered   time.Time    // last answer of a higher centre
	deferring  bool
	address    netip.AddrPort // where it answers
}

func (h *higher) reset() { *h = higher{configured: h.configured} }

// above reports whether a centre ranks above this one: by level, and by the smaller id where levels are equal.
func (c *centreCore) above(level uint8, id chantable.ID) bool {
	return level > c.level || level == c.level && id != 0 && id < c.id
}

// seek begins to register with another centre.
func (c *centreCore) seek(now time.Time, found netip.AddrPort) {
	h := &c.higher
	h.since = now
	address := c.self
	if address.Addr().IsUnspecified() {
		address = netip.AddrPort{} // the other sees where it comes from
	}
	centres := slices.Clone(h.configured)
	if found.IsValid() {
		centres = append(centres, found)
	}
	h.station = newStationCore(now, stationSetup{
		id: c.id, level: c.level, name: c.name, address: address, listens: c.overcast,
		instance: uint64(c.id), epoch: c.leader.Term, // the same installation on whichever node; the latest leader is right
		centres: centres, copy: chantable.NewCopy(), timing: c.timing, codec: c.codec, rand: c.rand,
	})
}

// heardTable takes in a page of another centre's table.
func (c *centreCore) heardTable(now time.Time, from netip.AddrPort, multicast bool, d *Datagram, t Table) {
	if d.From == c.id || !c.leader.Self || !c.above(t.Level, d.From) {
		return
	}
	if c.higher.station == nil && multicast {
		c.seek(now, from)
	}
	if c.higher.station != nil {
		c.higher.station.handle(now, from, multicast, d)
	}
}

func (c *centreCore) heardHello(now time.Time, from netip.AddrPort, d *Datagram) {
	if h := &c.higher; h.station != nil && c.leader.Self {
		h.station.handle(now, from, false, d)
		return
	}
	c.stats.Stale++
}

// heardAnswer takes in another centre's answer to our registration. One that does not rank above us does not count.
func (c *centreCore) heardAnswer(now time.Time, from netip.AddrPort, d *Datagram, a Answer) {
	h := &c.higher
	if h.station == nil || !c.leader.Self || d.To != c.id || !c.above(a.Level, d.From) {
		c.stats.Stale++
		return
	}
	stale := h.station.stats.Stale
	h.station.handle(now, from, false, d)
	if h.station.stats.Stale == stale {
		h.answered, h.address = now, from
		h.deferring = true
		c.claims.drop()
	}
}

// tickHigher registers with the higher centre, and takes over from it when it has been silent for a period: what our
// copy of its table has and our table lacks is adopted, and every station has a full period to find its way back.
func (c *centreCore) tickHigher(now time.Time) {
	h := &c.higher
	if h.station == nil {
		if len(h.configured) > 0 {
			c.seek(now, netip.AddrPort{})
		}
		return
	}
	h.station.tick(now)
	c.out = append(c.out, h.station.out...)
	h.station.out = h.station.out[:0]
	if now.Sub(later(h.answered, h.since)) < c.timing.Silence {
		return
	}
	if h.deferring {
		for e := range h.station.table.copy.All() {
			if e.ID != c.id {
				c.adopt(e)
			}
		}
		c.ledSince = now
		c.sender.restart(now, c.copy.Version())
	}
	h.reset()
}
