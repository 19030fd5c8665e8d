package slots

import (
	"net"
	"net/netip"
	"testing"
)

// conn is a connection from an address.
type conn struct {
	net.Conn
	from   string
	closed bool
}

func (c *conn) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(c.from), 1))
}

type client struct {
	*conn
	*Slot
}

func enter(s *Slots, from string) client {
	c := &conn{from: from}
	return client{c, s.Enter(c, func() { c.closed = true })}
}

func newSlots() *Slots {
	node := netip.MustParseAddr("10.0.0.1")
	return New(Limits{Strangers: 8, OfAnAddress: 4, Known: 6, KnownOfAddress: 3}, func(a netip.Addr) bool { return a == node })
}

// However many come from one address, only they are closed; from many addresses, those of whoever has most.
func TestStrangersKeepEachOtherOut(t *testing.T) {
	s := newSlots()
	honest, node := enter(s, "192.0.2.1"), enter(s, "10.0.0.1")
	var flood []client
	for range 100 {
		flood = append(flood, enter(s, "203.0.113.1"))
	}
	open := 0
	for _, c := range flood {
		if !c.closed {
			open++
		}
	}
	if honest.closed || node.closed || open != 4 || flood[99].closed || !flood[95].closed || s.Closed() != 96 {
		t.Errorf("honest closed %t, node closed %t, %d of the flood open, the newest closed %t, %d counted", honest.closed, node.closed, open, flood[99].closed, s.Closed())
	}
	for _, from := range []string{"203.0.113.2", "203.0.113.3"} { // two of each: 9 strangers
		for range 2 {
			enter(s, from)
		}
	}
	if honest.closed || !flood[96].closed {
		t.Errorf("of 9 strangers the oldest of whoever has most is to be closed: honest closed %t, flood's oldest closed %t", honest.closed, flood[96].closed)
	}
}

// Who has shown who he is takes no stranger's slot, and is never closed; there are so many of them, and of an address.
func TestKnown(t *testing.T) {
	s := newSlots()
	var known []client
	for i, from := range []string{"192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.3", "192.0.2.3"} {
		c := enter(s, from)
		known = append(known, c)
		if got, want := c.Know(), i != 3 && i != 7; got != want {
			t.Errorf("%d, from %s: known %t, want %t", i, from, got, want)
		}
	}
	for range 100 {
		enter(s, "203.0.113.1")
	}
	for i, c := range known {
		if c.closed && i != 3 && i != 7 {
			t.Errorf("%d was closed, though it is known", i)
		}
	}
	if node := enter(s, "10.0.0.1"); !node.Know() {
		t.Error("a node has no slot when others have taken all of theirs")
	}
	known[0].Leave()
	known[0].Leave()
	if c := enter(s, "192.0.2.9"); !c.Know() {
		t.Error("a slot that was given back can't be taken")
	}
	if c := enter(s, "192.0.2.9"); c.Know() {
		t.Error("a slot that was given back twice counts twice")
	}
	gone := enter(s, "192.0.2.1")
	gone.Leave()
	if gone.Know() {
		t.Error("known after it left")
	}
}
