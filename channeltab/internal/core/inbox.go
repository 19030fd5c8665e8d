package core

import (
	"math/bits"
	"net/netip"
	"time"

	"github.com/fepha/fepha/channeltab/internal/wire"
	"github.com/fepha/fepha/fsm/chantable"
)

// assemblyAfter is when an incomplete message without a new fragment is dropped.
const assemblyAfter = 60 * time.Second

// Message is what one station has sent to another.
type Message struct {
	From    chantable.ID
	CN      chantable.CN // of the sender in this station's copy; 0 if it has none
	Stream  wire.Stream
	Payload []byte

	Receipt receipt
}

// receipt is what it takes to acknowledge a message later, and what it's known by: the session and number of its sender,
// which stay when this station goes on elsewhere.
type receipt struct {
	to      netip.AddrPort
	Session uint64
	contact uint64
	counter uint64
	Seq     uint64
	Base    uint64
	share   chantable.ID // of the room; 0 for all stations that the copy does not have, whose ids cost nothing
}

// Kept tells which messages of a stream of a sender's session are kept: the sender has settled all below floor, and
// floor+i is kept if bit i of marks is set. Both are 0 if it's not known.
type Kept func(from chantable.ID, session uint64, s wire.Stream) (floor, marks uint64)

// inbox puts messages together and delivers each at most once. With kept, what is delivered is acknowledged only once
// the application has kept it.
type inbox struct {
	rooms
	kept  Kept // nil: a message is acknowledged as it's delivered
	stats *Stats
}

// incoming is one stream of one sender's session.
//
// The sender's base tells that all below it is settled: acknowledged, or given up and then never to be delivered. So
// floor and the marks above it are all that need be remembered to deliver nothing twice.
type incoming struct {
	begun  bool
	floor  uint64
	done   uint64 // bit i: message floor+i has been delivered, and may be acknowledged
	held   uint64 // bit i: message floor+i has been delivered, but is not yet kept
	builds map[uint64]*assembly
}

type assembly struct {
	payload []byte
	got     uint64 // bit i: fragment i has come
	touched time.Time
	share   chantable.ID
	in      *incoming // where it is built, as message seq
	seq     uint64
}

// take takes in a fragment of a message, of which m has the sender, and reports the messages to be acknowledged, each with
// what has come of it.
func (b *inbox) take(now time.Time, in *incoming, m Message, d wire.Data) []wire.Ack {
	if !in.begun {
		in.begun, in.floor, in.builds = true, d.Base, map[uint64]*assembly{}
		if b.kept != nil {
			in.floor, in.done = b.kept(m.From, m.Receipt.Session, d.Stream)
		}
	}
	b.advance(in, d.Base)
	switch {
	case d.Seq < in.floor:
		b.stats.Duplicates++
		return nil // the sender has settled it
	case d.Seq-in.floor >= seqWindow:
		b.stats.Overflow++
		return nil
	case in.done>>(d.Seq-in.floor)&1 != 0:
		b.stats.Duplicates++
		return []wire.Ack{{Stream: d.Stream, Seq: d.Seq, Delivered: true, Fragments: 1<<d.Count() - 1}}
	case in.held>>(d.Seq-in.floor)&1 != 0:
		b.stats.Duplicates++
		if d.AckNow { // that it has come, and no more
			return []wire.Ack{{Stream: d.Stream, Seq: d.Seq, Fragments: 1<<d.Count() - 1}}
		}
		return nil
	}
	a := in.builds[d.Seq]
	if a == nil {
		if a = b.begin(m.Receipt.share, in, d.Seq, int(d.Length)); a == nil {
			b.stats.Overflow++
			return nil
		}
		in.builds[d.Seq] = a
	}
	if len(a.payload) != int(d.Length) {
		b.stats.Malformed++ // another message under the same number
		return nil
	}
	a.touched = now
	a.got |= 1 << d.Index
	copy(wire.Fragment(a.payload, int(d.Index)), d.Payload)

	acks := b.deliver(in, m, d)
	if len(acks) == 0 && d.AckNow && in.builds[d.Seq] != nil {
		acks = []wire.Ack{{Stream: d.Stream, Seq: d.Seq, Fragments: a.got}}
	}
	return acks
}

// deliver hands over what is complete and, in an ordered stream, next.
func (b *inbox) deliver(in *incoming, m Message, d wire.Data) []wire.Ack {
	var acks []wire.Ack
	seq := d.Seq
	for {
		if d.Stream == wire.InOrder {
			seq = in.floor + uint64(bits.TrailingZeros64(^(in.done | in.held)))
		}
		a := in.builds[seq]
		if a == nil || a.got != 1<<wire.Fragments(len(a.payload))-1 {
			return acks
		}
		m.Stream, m.Payload, m.Receipt.Seq, m.Receipt.Base = d.Stream, a.payload, seq, in.floor
		if !b.hold(m) {
			return acks
		}
		b.stats.Delivered++
		b.drop(in, seq)
		if b.kept != nil {
			in.held |= 1 << (seq - in.floor)
			continue
		}
		in.done |= 1 << (seq - in.floor)
		acks = append(acks, wire.Ack{Stream: d.Stream, Seq: seq, Delivered: true, Fragments: a.got})
	}
}

// advance moves the floor up to the sender's base.
func (b *inbox) advance(in *incoming, base uint64) {
	if base <= in.floor {
		return
	}
	in.done >>= base - in.floor // by 64 or more: 0
	in.held >>= base - in.floor
	in.floor = base
	for seq := range in.builds {
		if seq < base {
			b.drop(in, seq)
		}
	}
}

func (b *inbox) drop(in *incoming, seq uint64) {
	b.end(in.builds[seq])
	delete(in.builds, seq)
}

// sweep drops the assemblies that have not grown since an instant; all of them at the zero Time.
func (b *inbox) sweep(in *incoming, since time.Time) {
	for seq, a := range in.builds {
		if since.IsZero() || a.touched.Before(since) {
			b.drop(in, seq)
		}
	}
}

// Pop removes and returns the message whose turn it is.
func (b *inbox) Pop() (Message, bool) {
	m, ok := b.next()
	if ok && b.kept == nil {
		b.release(m)
	}
	return m, ok
}

// settle notes that a message was kept. Its sender may have given it up meanwhile.
func (in *incoming) settle(seq uint64) {
	if seq >= in.floor {
		in.held &^= 1 << (seq - in.floor)
		in.done |= 1 << (seq - in.floor)
	}
}
