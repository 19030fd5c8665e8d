// Package mailbox is what the station's FNP endpoint has received: its owner acknowledges a message to the sender only after
// it's here. The newest messages are kept for readers. That a message came is remembered apart from it, by its sender's
// session, so that it's kept once, whichever node the sender's repetitions reach.
package mailbox

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/fepha/fepha/fsm/chantable"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// Bounds of the mailbox.
const (
	MaxMessages      = 256     // messages that are kept; the oldest goes first
	MaxSize          = 1 << 20 // octets of their payloads
	MaxMessage       = 65536   // octets of one
	maxSessions      = 65535   // of senders, as many as the channel table has places; the one that was silent for longest goes first
	streamCount      = 2       // any order, in order
	deliveredHorizon = 64      // messages above a stream's floor that can be told apart
)

// Message is a message that the FNP endpoint has received. It is shared: readers must not change the payload.
type Message struct {
	Number  uint64 // from 1, without gaps
	TimeMs  int64  // when it was received, ms since 1970-01-01 UTC, by the owner's clock
	From    chantable.ID
	InOrder bool // it came in the stream in order
	Payload []byte
}

// Mailbox is a part of the replicated state; see package fsm for who may call what when.
type Mailbox struct {
	messages []Message // ascending by number
	size     int       // octets of their payloads
	last     uint64    // number of the newest, ever
	sessions map[sessionKey]*sender
}

// sessionKey is one run of a sender's process. It numbers its messages, and the numbers stay when the endpoint moves.
type sessionKey struct {
	from    chantable.ID
	session uint64
}

type sender struct {
	last    uint64 // number of its newest message
	streams [streamCount]delivered
}

// delivered tells which messages of a stream are here: all below floor are settled for their sender, and of those from
// there on the ones that are marked have come.
type delivered struct{ floor, marks uint64 }

// New returns an empty mailbox.
func New() *Mailbox { return &Mailbox{sessions: map[sessionKey]*sender{}} }

func (d delivered) has(seq uint64) bool {
	return seq < d.floor || seq-d.floor < deliveredHorizon && d.marks>>(seq-d.floor)&1 != 0
}

// After returns up to limit of the messages that the FNP endpoint has received after a number, oldest first, of those
// that are kept: the newest 256, at most 1 MiB. Number 0 is before the first.
func (b *Mailbox) After(after uint64, limit int) []Message {
	kept := b.messages
	i, _ := slices.BinarySearchFunc(kept, after, func(m Message, after uint64) int {
		if m.Number <= after {
			return -1
		}
		return 1
	})
	return slices.Clone(kept[i:min(len(kept), i+limit)])
}

// Delivered tells what has been received in a stream (0 any order, 1 in order) of a sender's session: the sender has
// settled all below floor, and floor+i was received if bit i of marks is set. Both are 0 if nothing was.
func (b *Mailbox) Delivered(from chantable.ID, session uint64, stream uint8) (floor, marks uint64) {
	if m := b.sessions[sessionKey{from, session}]; m != nil && stream < streamCount {
		return m.streams[stream].floor, m.streams[stream].marks
	}
	return 0, 0
}

// Receive keeps a message, once. That it comes from the endpoint's owner is for the caller to make sure of.
func (b *Mailbox) Receive(at command.Stamp, op *fsmpb.FnpReceive) *fsmpb.Result {
	switch {
	case op.From == 0 || op.From > uint64(chantable.MaxID):
		return command.Refuse(fsmpb.Result_INVALID, "message from %d: expected an id of 1 to %d", op.From, chantable.MaxID)
	case op.Stream >= streamCount:
		return command.Refuse(fsmpb.Result_INVALID, "message from %d: stream %d: expected less than %d", op.From, op.Stream, streamCount)
	case op.Base > op.Seq || op.Seq-op.Base >= deliveredHorizon:
		return command.Refuse(fsmpb.Result_INVALID, "message from %d: number %d with base %d: expected one of the %d from there on", op.From, op.Seq, op.Base, deliveredHorizon)
	case len(op.Payload) > MaxMessage:
		return command.Refuse(fsmpb.Result_INVALID, "message from %d: %d octets: expected at most %d", op.From, len(op.Payload), MaxMessage)
	}
	key := sessionKey{chantable.ID(op.From), op.Session}
	m := b.sessions[key]
	if m == nil {
		m = &sender{}
	} else if m.streams[op.Stream].has(op.Seq) {
		return command.Already()
	}
	b.last++
	m.last = b.last
	d := &m.streams[op.Stream]
	if op.Base > d.floor {
		d.floor, d.marks = op.Base, d.marks>>(op.Base-d.floor) // by 64 or more: 0
	}
	d.marks |= 1 << (op.Seq - d.floor)
	b.sessions[key] = m
	b.bound()
	b.add(Message{
		Number: b.last, TimeMs: at.Ms, From: key.from, InOrder: op.Stream == 1, Payload: bytes.Clone(op.Payload),
	})
	return command.Done()
}

func (b *Mailbox) add(m Message) {
	b.messages = append(b.messages, m)
	b.size += len(m.Payload)
	for len(b.messages) > MaxMessages || b.size > MaxSize {
		b.size -= len(b.messages[0].Payload)
		b.messages[0] = Message{}
		b.messages = b.messages[1:]
	}
}

// bound forgets the session that was silent for longest, if there are too many.
func (b *Mailbox) bound() {
	if len(b.sessions) <= maxSessions {
		return
	}
	var oldest sessionKey
	last := b.last + 1
	for key, m := range b.sessions {
		if m.last < last {
			oldest, last = key, m.last
		}
	}
	delete(b.sessions, oldest)
}

// Forget forgets the sessions of stations that are no longer in the channel table.
func (b *Mailbox) Forget(removed map[chantable.ID]bool) {
	maps.DeleteFunc(b.sessions, func(key sessionKey, _ *sender) bool { return removed[key.from] })
}

// Empty tells whether no message ever came.
func (b *Mailbox) Empty() bool { return b.last == 0 }

// Proto is what goes into a snapshot.
func (b *Mailbox) Proto() *fsmpb.FnpMailbox {
	p := &fsmpb.FnpMailbox{Last: b.last}
	for _, m := range b.messages {
		stream := uint32(0)
		if m.InOrder {
			stream = 1
		}
		p.Messages = append(p.Messages, &fsmpb.FnpMailbox_Message{
			Number: m.Number, TimeMs: m.TimeMs, From: uint64(m.From), Stream: stream, Payload: m.Payload,
		})
	}
	for key, m := range b.sessions {
		x := &fsmpb.FnpMailbox_Session{From: uint64(key.from), Session: key.session, Last: m.last}
		for _, d := range m.streams {
			x.Streams = append(x.Streams, &fsmpb.FnpMailbox_Delivered{Floor: d.floor, Marks: d.marks})
		}
		p.Sessions = append(p.Sessions, x)
	}
	slices.SortFunc(p.Sessions, func(a, b *fsmpb.FnpMailbox_Session) int { return cmp.Compare(a.Last, b.Last) })
	return p
}

// Restore takes what Proto gave.
func (b *Mailbox) Restore(p *fsmpb.FnpMailbox) error {
	if !b.Empty() {
		return errors.New("messages of FNP twice")
	}
	b.last = p.Last
	for i, x := range p.Messages {
		if x.Number+uint64(len(p.Messages)-i) != p.Last+1 || x.Stream >= streamCount || len(x.Payload) > MaxMessage {
			return fmt.Errorf("message %d of %d octets, stream %d: the newest is %d", x.Number, len(x.Payload), x.Stream, p.Last)
		}
		b.add(Message{Number: x.Number, TimeMs: x.TimeMs, From: chantable.ID(x.From), InOrder: x.Stream == 1, Payload: x.Payload})
	}
	if len(b.messages) != len(p.Messages) || len(p.Sessions) > maxSessions {
		return fmt.Errorf("%d messages and %d sessions are too many", len(p.Messages), len(p.Sessions))
	}
	last := uint64(0)
	for _, x := range p.Sessions {
		if x.Last <= last || x.Last > p.Last || len(x.Streams) != streamCount {
			return fmt.Errorf("session of %d: %d streams, newest message %d", x.From, len(x.Streams), x.Last)
		}
		last = x.Last
		m := &sender{last: x.Last}
		for i, d := range x.Streams {
			m.streams[i] = delivered{floor: d.Floor, marks: d.Marks}
		}
		b.sessions[sessionKey{chantable.ID(x.From), x.Session}] = m
	}
	return nil
}
