package channeltab

import (
	"math/bits"
	"time"

	"github.com/fepha/fepha/fsm/chantable"
)

// Bounds of what a station holds for its application.
const (
	maxInbox      = 1024             // messages delivered and not yet read
	maxInboxSize  = 8 << 20          // octets of them
	maxAssembly   = 16 << 20         // octets of messages that are not complete
	assemblyAfter = 60 * time.Second // an incomplete message without a new fragment for so long is dropped
)

// Message is what one station has sent to another.
type Message struct {
	From    chantable.ID
	CN      chantable.CN // of the sender in this station's copy; 0 if it has none
	Stream  Stream
	Payload []byte
}

// inbox puts messages together and delivers each at most once.
type inbox struct {
	messages []Message
	size     int // octets in messages
	assembly int // octets of buffers in assemblies
	stats    *Stats
}

// incoming is one stream of one sender's session.
//
// The sender's base tells that all below it is settled: acknowledged, or given up and then never to be delivered. So
// floor and the marks above it are all that need be remembered to deliver nothing twice.
type incoming struct {
	begun  bool
	floor  uint64
	done   uint64 // bit i: message floor+i has been delivered
	builds map[uint64]*assembly
}

type assembly struct {
	payload []byte
	got     uint64 // bit i: fragment i has come
	touched time.Time
}

// take takes in a fragment and reports the messages to be acknowledged, each with what has come of it.
func (b *inbox) take(now time.Time, in *incoming, from chantable.ID, cn chantable.CN, d Data) []Ack {
	if !in.begun {
		in.begun, in.floor, in.builds = true, d.Base, map[uint64]*assembly{}
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
		return []Ack{{Stream: d.Stream, Seq: d.Seq, Delivered: true, Fragments: 1<<d.Count() - 1}}
	}
	a := in.builds[d.Seq]
	if a == nil {
		if b.assembly+int(d.Length) > maxAssembly {
			b.stats.Overflow++
			return nil
		}
		a = &assembly{payload: make([]byte, d.Length)}
		in.builds[d.Seq] = a
		b.assembly += len(a.payload)
	}
	if len(a.payload) != int(d.Length) {
		b.stats.Malformed++ // another message under the same number
		return nil
	}
	a.touched = now
	a.got |= 1 << d.Index
	copy(fragment(a.payload, int(d.Index)), d.Payload)

	acks := b.deliver(in, from, cn, d)
	if len(acks) == 0 && d.AckNow {
		acks = []Ack{{Stream: d.Stream, Seq: d.Seq, Fragments: a.got}}
	}
	return acks
}

// deliver hands over what is complete and, in an ordered stream, next.
func (b *inbox) deliver(in *incoming, from chantable.ID, cn chantable.CN, d Data) []Ack {
	var acks []Ack
	seq := d.Seq
	for {
		if d.Stream == InOrder {
			seq = in.floor + uint64(bits.TrailingZeros64(^in.done))
		}
		a := in.builds[seq]
		if a == nil || a.got != 1<<fragments(len(a.payload))-1 || !b.room(len(a.payload)) {
			return acks
		}
		b.messages = append(b.messages, Message{From: from, CN: cn, Stream: d.Stream, Payload: a.payload})
		b.size += len(a.payload)
		b.stats.Delivered++
		b.drop(in, seq)
		in.done |= 1 << (seq - in.floor)
		acks = append(acks, Ack{Stream: d.Stream, Seq: seq, Delivered: true, Fragments: a.got})
	}
}

func (b *inbox) room(n int) bool {
	return len(b.messages) < maxInbox && (b.size+n <= maxInboxSize || len(b.messages) == 0)
}

// advance moves the floor up to the sender's base.
func (b *inbox) advance(in *incoming, base uint64) {
	if base <= in.floor {
		return
	}
	in.done >>= min(base-in.floor, 64)
	in.floor = base
	for seq := range in.builds {
		if seq < base {
			b.drop(in, seq)
		}
	}
}

func (b *inbox) drop(in *incoming, seq uint64) {
	b.assembly -= len(in.builds[seq].payload)
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

// pop removes and returns the oldest message.
func (b *inbox) pop() (Message, bool) {
	if len(b.messages) == 0 {
		return Message{}, false
	}
	m := b.messages[0]
	b.messages[0] = Message{}
	b.messages = b.messages[1:]
	b.size -= len(m.Payload)
	return m, true
}
