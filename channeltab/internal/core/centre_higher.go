package core

import (
	"net/netip"
	"slices"
	"time"

	"github.com/fepha/fepha/channeltab/internal/wire"
	"github.com/fepha/fepha/fsm/chantable"
)

// higher is the leader's dealings with a centre of a higher level elsewhere in the network. While there is one, this
// centre registers with it like any station, and sends its own stations there. That the other is alive is known by its
// answers alone, which are fresh; its multicasts, which could be replayed, only tell where to ask.
type higher struct {
	configured []netip.AddrPort
	station    *Station  // this centre as a station of the other; nil: none is known
	since      time.Time // when station was made
	answered   time.Time // last answer of a higher centre
	Deferring  bool
	Address    netip.AddrPort // where it answers
}

func (h *higher) reset() { *h = higher{configured: h.configured} }

// above reports whether a centre ranks above this one: by level, and by the smaller id where levels are equal.
func (c *Centre) above(level uint8, id chantable.ID) bool {
	return level > c.level || level == c.level && id != 0 && id < c.id
}

// seek begins to register with another centre.
func (c *Centre) seek(now time.Time, found netip.AddrPort) {
	h := &c.Higher
	h.since = now
	address := c.self
	if address.Addr().IsUnspecified() {
		address = netip.AddrPort{} // the other sees where it comes from
	}
	centres := slices.Clone(h.configured)
	if found.IsValid() {
		centres = append(centres, found)
	}
	h.station = NewStation(now, StationSetup{
		ID: c.id, Level: c.level, Name: c.name, Address: address, Listens: c.multicasts,
		Instance: uint64(c.id), Epoch: c.Leader.Term, // the same installation on whichever node; the latest leader is right
		Centres: centres, Copy: chantable.NewCopy(), Timing: c.Timing, Codec: c.codec, Rand: c.rand,
	})
}

// heardTable takes in a page of another centre's table.
func (c *Centre) heardTable(now time.Time, from netip.AddrPort, multicast bool, d *wire.Datagram, t wire.Table) {
	if d.From == c.id || !c.Leader.Self || !c.above(t.Level, d.From) {
		return
	}
	if c.Higher.station == nil && multicast {
		c.seek(now, from)
	}
	if c.Higher.station != nil {
		c.Higher.station.Handle(now, from, multicast, d)
	}
}

func (c *Centre) heardHello(now time.Time, from netip.AddrPort, d *wire.Datagram) {
	if h := &c.Higher; h.station != nil && c.Leader.Self {
		h.station.Handle(now, from, false, d)
		return
	}
	c.Stats.Stale++
}

// heardAnswer takes in another centre's answer to our registration. One that does not rank above us does not count.
func (c *Centre) heardAnswer(now time.Time, from netip.AddrPort, d *wire.Datagram, a wire.Answer) {
	h := &c.Higher
	if h.station == nil || !c.Leader.Self || d.To != c.id || !c.above(a.Level, d.From) {
		c.Stats.Stale++
		return
	}
	stale := h.station.Stats.Stale
	h.station.Handle(now, from, false, d)
	if h.station.Stats.Stale == stale {
		h.answered, h.Address = now, from
		h.Deferring = true
		c.claims.drop()
	}
}

// tickHigher registers with the higher centre, and takes over from it when it has been silent for a period: what our
// copy of its table has and our table lacks is adopted, and every station has a full period to find its way back.
func (c *Centre) tickHigher(now time.Time) {
	h := &c.Higher
	if h.station == nil {
		if len(h.configured) > 0 {
			c.seek(now, netip.AddrPort{})
		}
		return
	}
	h.station.Tick(now)
	c.Out = append(c.Out, h.station.Out...)
	h.station.Out = h.station.Out[:0]
	if now.Sub(later(h.answered, h.since)) < c.Timing.Silence {
		return
	}
	if h.Deferring {
		for e := range h.station.Table.Copy.All() {
			if e.ID != c.id {
				c.adopt(e)
			}
		}
		c.ledSince = now
		c.sender.restart(now, c.copy.Version())
	}
	h.reset()
}
