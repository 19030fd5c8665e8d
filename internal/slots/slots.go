// Package slots shares the connections of a listener between strangers, who may be anybody, and those who have shown who
// they are, so that no number of strangers keeps these out. Two kinds of addresses, those of the station's nodes and all
// others, have slots of their own.
package slots

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

// Limits are numbers of connections at a time.
type Limits struct {
	Strangers      int // who have not shown who they are yet
	OfAnAddress    int // strangers of one address
	Known          int // who have; 0: the listener asks for none
	KnownOfAddress int // of one address
}

// Slots of a listener. All methods may be called from several goroutines at once.
type Slots struct {
	isNode func(netip.Addr) bool

	mu     sync.Mutex
	limits [2]Limits // by kind
	shared [2]share
	closed uint64
}

const (
	others = iota
	nodes
)

// share is one kind of addresses.
type share struct {
	strangers []*Slot // oldest first
	known     map[netip.Addr]int
	count     int // of known
}

// New returns the slots of a listener, as many for the station's nodes as for all others.
func New(l Limits, isNode func(netip.Addr) bool) *Slots {
	s := &Slots{isNode: isNode, limits: [2]Limits{l, l}}
	for i := range s.shared {
		s.shared[i].known = map[netip.Addr]int{}
	}
	return s
}

// Slot is what a connection takes, until Leave.
type Slot struct {
	of    *Slots
	kind  int
	addr  netip.Addr
	close func()
	known bool
	left  bool
}

// Enter takes a stranger's slot for a connection just accepted. Where there's none left, the stranger that has waited
// longest is closed, of the address that has the most: who says at once who he is, and there's no other hurry, is not
// kept waiting by those who don't. close must not wait, nor call into the slots.
func (s *Slots) Enter(conn net.Conn, close func()) *Slot {
	slot := &Slot{of: s, addr: addrOf(conn), close: close}
	if s.isNode(slot.addr) {
		slot.kind = nodes
	}
	s.mu.Lock()
	share, limits := &s.shared[slot.kind], s.limits[slot.kind]
	share.strangers = append(share.strangers, slot)
	var victim *Slot
	if share.of(slot.addr) > limits.OfAnAddress {
		victim = share.oldestOf(slot.addr)
	} else if len(share.strangers) > limits.Strangers {
		victim = share.oldestOf(share.busiest())
	}
	if victim != nil {
		victim.leave()
		s.closed++
	}
	s.mu.Unlock()
	if victim != nil {
		victim.close()
	}
	return slot
}

// Closed counts the strangers that were closed for others.
func (s *Slots) Closed() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// Know gives a stranger's slot back for one of those who have shown who they are. False: there is none left, and it stays
// a stranger's.
func (slot *Slot) Know() bool {
	s := slot.of
	s.mu.Lock()
	defer s.mu.Unlock()
	if slot.known || slot.left {
		return slot.known
	}
	share, limits := &s.shared[slot.kind], s.limits[slot.kind]
	if share.count >= limits.Known || share.known[slot.addr] >= limits.KnownOfAddress {
		return false
	}
	share.remove(slot)
	share.known[slot.addr]++
	share.count++
	slot.known = true
	return true
}

// Leave gives the slot back. It may be called more than once.
func (slot *Slot) Leave() {
	slot.of.mu.Lock()
	defer slot.of.mu.Unlock()
	slot.leave()
}

// leave is called with the lock held.
func (slot *Slot) leave() {
	if slot.left {
		return
	}
	slot.left = true
	share := &slot.of.shared[slot.kind]
	if !slot.known {
		share.remove(slot)
		return
	}
	share.count--
	if share.known[slot.addr]--; share.known[slot.addr] == 0 {
		delete(share.known, slot.addr)
	}
}

func (s *share) remove(slot *Slot) {
	s.strangers = slices.DeleteFunc(s.strangers, func(o *Slot) bool { return o == slot })
}

// of counts the strangers of an address.
func (s *share) of(a netip.Addr) (n int) {
	for _, o := range s.strangers {
		if o.addr == a {
			n++
		}
	}
	return n
}

// busiest is the address that has the most strangers.
func (s *share) busiest() (most netip.Addr) {
	n := map[netip.Addr]int{}
	for _, o := range s.strangers {
		if n[o.addr]++; n[o.addr] > n[most] {
			most = o.addr
		}
	}
	return most
}

func (s *share) oldestOf(a netip.Addr) *Slot {
	i := slices.IndexFunc(s.strangers, func(o *Slot) bool { return o.addr == a })
	return s.strangers[i]
}

// addrOf is the address of the other end, the zero one if that isn't TCP.
func addrOf(conn net.Conn) netip.Addr {
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
