package core

import (
	"slices"

	"github.com/fepha/fepha/fsm/chantable"
)

// Bounds of what a station holds for its application.
const (
	maxInbox     = 1024     // messages delivered and not yet read, or not yet kept
	maxInboxSize = 8 << 20  // octets of them
	maxAssembly  = 16 << 20 // octets of messages that are not complete
)

// rooms shares out what a station holds for its application, so that one peer that floods it does not keep the others
// out.
//
// Of what is complete a peer has at most as much as is still free, so that one alone has a half of the room; and the
// peers' messages are read in turn. Of what is not complete it has what it wants, but who has most gives way to who has
// less.
type rooms struct {
	shares   map[chantable.ID]*share // of peers that have anything of it
	turns    []chantable.ID          // peers with messages to be read
	count    int                     // messages that take room: not yet read, or not yet kept
	size     int                     // octets of them
	assembly int                     // octets of messages that are not complete
}

// share is what one peer has of it.
type share struct {
	messages []Message // to be read
	count    int
	size     int
	assembly int
	building []*assembly // the one begun first at the front
}

func newRooms() rooms { return rooms{shares: map[chantable.ID]*share{}} }

func (r *rooms) of(id chantable.ID) *share {
	s := r.shares[id]
	if s == nil {
		s = &share{}
		r.shares[id] = s
	}
	return s
}

// tidy forgets a share that holds nothing.
func (r *rooms) tidy(id chantable.ID) {
	if s := r.shares[id]; s != nil && s.count == 0 && len(s.building) == 0 {
		delete(r.shares, id)
	}
}

// fits reports whether a share may have n more: as much as is free after that, or its first of what there is.
func fits(has, n, held, most int) bool {
	return has+n <= most-held-n || has == 0 && held+n <= most
}

// begin takes room for a message of n octets that is to be put together in a stream. It may cost a peer that has more the
// one it began first, whose fragments will be sent again. nil: there is no room.
func (r *rooms) begin(id chantable.ID, in *incoming, seq uint64, n int) *assembly {
	for r.assembly+n > maxAssembly {
		most := r.heaviest()
		if r.shares[most].assembly <= r.of(id).assembly+n {
			r.tidy(id)
			return nil
		}
		a := r.shares[most].building[0]
		delete(a.in.builds, a.seq)
		r.end(a)
	}
	a := &assembly{payload: make([]byte, n), share: id, in: in, seq: seq}
	s := r.of(id)
	s.building = append(s.building, a)
	s.assembly += n
	r.assembly += n
	return a
}

// end gives it back.
func (r *rooms) end(a *assembly) {
	s := r.of(a.share)
	s.building = slices.DeleteFunc(s.building, func(b *assembly) bool { return b == a })
	s.assembly -= len(a.payload)
	r.assembly -= len(a.payload)
	r.tidy(a.share)
}

// heaviest is the peer that has most that is not complete.
func (r *rooms) heaviest() (most chantable.ID) {
	octets := -1
	for id, s := range r.shares {
		if s.assembly > octets || s.assembly == octets && id < most {
			most, octets = id, s.assembly
		}
	}
	return most
}

// hold takes a message in to be read, if there is room.
func (r *rooms) hold(m Message) bool {
	defer r.tidy(m.Receipt.share)
	s, n := r.of(m.Receipt.share), len(m.Payload)
	if !fits(s.count, 1, r.count, maxInbox) || !fits(s.size, n, r.size, maxInboxSize) {
		return false
	}
	if len(s.messages) == 0 {
		r.turns = append(r.turns, m.Receipt.share)
	}
	s.messages = append(s.messages, m)
	s.count++
	s.size += n
	r.count++
	r.size += n
	return true
}

// Waiting reports whether there are messages to be read.
func (r *rooms) Waiting() bool { return len(r.turns) > 0 }

// next takes out the oldest message of the peer whose turn it is. It goes on taking room until it is released.
func (r *rooms) next() (Message, bool) {
	if len(r.turns) == 0 {
		return Message{}, false
	}
	id := r.turns[0]
	r.turns = r.turns[1:]
	s := r.shares[id]
	m := s.messages[0]
	s.messages[0] = Message{}
	s.messages = s.messages[1:]
	if len(s.messages) > 0 {
		r.turns = append(r.turns, id)
	}
	return m, true
}

// release gives back the room of a message.
func (r *rooms) release(m Message) {
	s := r.of(m.Receipt.share)
	s.count--
	s.size -= len(m.Payload)
	r.count--
	r.size -= len(m.Payload)
	r.tidy(m.Receipt.share)
}
