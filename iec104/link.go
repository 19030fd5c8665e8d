package iec104

import (
	"fmt"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
)

// link is the protocol state of one connection (104, clause 5). It does no
// I/O, has no goroutine and reads no clock: octets and readings of a monotonic
// clock go in; octets to write (out) and events come out, for its owner to
// take. Nothing here is safe for use by several goroutines.
//
// Frames are counted in 64 bits from the beginning of the connection and only
// cut to the 15 bits of N(S) and N(R) on the wire, so no comparison can go
// wrong where the numbers wrap.
type link struct {
	cfg         Config
	controlling bool
	state       LinkState
	err         error // why the state is Closed

	sent   uint64          // I-frames sent; V(S) is its low 15 bits
	acked  uint64          // of those, acknowledged by the peer: acked <= sent <= acked+K
	sentAt []time.Duration // when frame n was sent, at n % K, for acked <= n < sent

	received   uint64          // I-frames received in sequence; V(R) is its low 15 bits
	taken      uint64          // of those, acknowledged by the application
	confirmed  uint64          // the last N(R) that was sent: confirmed <= taken <= received
	receivedAt []time.Duration // when frame n came, at n % K
	skipped    []uint64        // frames that the application never sees, beyond taken, ascending

	heard   time.Duration // when the last frame came: t3 runs from here
	testing bool          // TESTFR act was sent and is not confirmed
	testAt  time.Duration // when it was sent
	askedAt time.Duration // when STARTDT or STOPDT act was sent, or STOPDT act came

	out      []byte // to be written
	live     bool   // out has a frame that only a starting or started link may send
	events   []event
	counters Counters
}

// LinkState is the state of a link between two stations (104, clause 5.3).
type LinkState uint8

const (
	Stopped  LinkState = iota // connected; U-frames only
	Starting                  // STARTDT act was sent, or came, and is not confirmed yet
	Started                   // user data may go both ways
	Stopping                  // STOPDT act was sent, or came, and is not confirmed yet
	Closed
)

func (s LinkState) String() string {
	switch s {
	case Stopped:
		return "stopped"
	case Starting:
		return "starting"
	case Started:
		return "started"
	case Stopping:
		return "stopping"
	}
	return "closed"
}

// event is what the link's owner has to act on, in order.
type event struct {
	kind eventKind
	// index counts I-frames from 1: that of the ASDU, or how many of ours are acknowledged.
	index uint64
	asdu  []byte // aliases what was received
}

type eventKind uint8

const (
	asduReceived   eventKind = iota
	framesAcked              // by the peer, all up to index
	startRequested           // controlled: STARTDT act came, confirmStart or close is due
	linkStarted              // user data may be sent
	linkStopped              // no more user data until the next start
	testConfirmed            // TESTFR con came
	linkClosed               // for link.err
)

func newLink(cfg Config, controlling bool, now time.Duration) *link {
	return &link{
		cfg:         cfg,
		controlling: controlling,
		sentAt:      make([]time.Duration, cfg.K),
		receivedAt:  make([]time.Duration, cfg.K),
		heard:       now,
	}
}

// receive takes the frames at the beginning of b and says how many octets
// they had. The rest, at most one frame's beginning, is to be given again with
// what follows it.
func (l *link) receive(now time.Duration, b []byte) (n int) {
	for l.state != Closed {
		f, size, err := ParseFrame(b[n:])
		if err != nil && !(l.tolerates(OddFrames) && size > 0) {
			l.close(err)
			break
		}
		if size == 0 {
			break
		}
		n += size
		l.counters.ReceivedOctets += uint64(size)
		l.heard = now
		switch f.Format {
		case FormatI:
			l.counters.ReceivedI++
			l.receiveI(now, f)
		case FormatS:
			l.counters.ReceivedS++
			l.receiveS(now, f)
		case FormatU:
			l.counters.ReceivedU++
			l.receiveU(now, f.Function)
		}
	}
	return n
}

// receiving reports whether I-frames are allowed to come. A controlled station
// that was told to stop gets none any more; a controlling one that asked for
// it still gets what was under way, and one that asked to start may tolerate
// those that are early.
func (l *link) receiving() bool {
	return l.state == Started || l.controlling && (l.state == Stopping || l.state == Starting && l.tolerates(EarlyData))
}

func (l *link) tolerates(what Tolerance) bool { return l.cfg.Tolerate&what != 0 }

func (l *link) receiveI(now time.Duration, f Frame) {
	if !l.receiving() {
		switch {
		case l.controlling && l.state == Starting:
			l.close(fmt.Errorf("%w: I-frame, N(S) %d", ErrEarlyData, f.SendSeq))
		case !l.tolerates(StoppedFrames) || l.state == Stopping:
			l.close(fmt.Errorf("%w: I-frame, N(S) %d", ErrStopped, f.SendSeq))
		}
		return
	}
	if want := uint16(l.received % SequenceModulus); f.SendSeq != want {
		l.close(fmt.Errorf("%w: %d, want %d", ErrSendSequence, f.SendSeq, want))
		return
	}
	if !l.acknowledged(f.RecvSeq) {
		return
	}
	l.receivedAt[l.received%uint64(len(l.receivedAt))] = now
	l.received++
	if l.state == Starting {
		l.counters.Early++
	}
	l.event(event{kind: asduReceived, index: l.received, asdu: f.ASDU})
}

func (l *link) receiveS(now time.Duration, f Frame) {
	if (l.state == Stopped || l.state == Starting) && !l.tolerates(StoppedFrames) {
		l.close(fmt.Errorf("%w: S-frame, N(R) %d", ErrStopped, f.RecvSeq))
		return
	}
	if l.acknowledged(f.RecvSeq) && l.state == Stopping && !l.controlling {
		l.confirmStop(now)
	}
}

// acknowledged takes N(R), and closes the link if it is not one that could be.
func (l *link) acknowledged(recvSeq uint16) bool {
	n := (uint64(recvSeq) - l.acked) % SequenceModulus
	if n > l.sent-l.acked {
		l.close(fmt.Errorf("%w: %d, want %d to %d", ErrRecvSequence, recvSeq, l.acked%SequenceModulus, l.sent%SequenceModulus))
		return false
	}
	if n > 0 {
		l.acked += n
		l.event(event{kind: framesAcked, index: l.acked})
	}
	return true
}

// room is how many I-frames may be sent now.
func (l *link) room() int {
	if l.state != Started {
		return 0
	}
	return l.cfg.K - int(l.sent-l.acked)
}

// windowClosed is how long ago the window was filled, if it still is.
func (l *link) windowClosed(now time.Duration) time.Duration {
	if l.state != Started || l.room() > 0 {
		return 0
	}
	return now - l.sentAt[(l.sent-1)%uint64(len(l.sentAt))]
}

// send sends an ASDU. There must be room for it.
func (l *link) send(now time.Duration, a asdu.ASDU) {
	if l.room() <= 0 {
		panic("iec104: I-frame beyond the window")
	}
	before := len(l.out)
	l.out = AppendI(l.out, uint16(l.sent%SequenceModulus), uint16(l.taken%SequenceModulus), a)
	l.confirmed = l.taken
	l.sentAt[l.sent%uint64(len(l.sentAt))] = now
	l.sent++
	l.live = true
	l.counters.SentI++
	l.counters.SentOctets += uint64(len(l.out) - before)
}

// ack takes the application's acknowledgement of all ASDUs up to index upTo.
// The peer is told by the W-th, or within t2 of the first one's arrival, or at
// once while the link is being stopped; or with an I-frame before.
func (l *link) ack(now time.Duration, upTo uint64) {
	l.taken = max(l.taken, min(upTo, l.received))
	for len(l.skipped) > 0 && l.skipped[0] <= l.taken+1 {
		l.taken = max(l.taken, l.skipped[0])
		l.skipped = l.skipped[1:]
	}
	if l.state != Started && l.state != Stopping || l.taken == l.confirmed {
		return
	}
	if l.taken-l.confirmed >= uint64(l.cfg.W) || now >= l.confirmDue() || l.state == Stopping {
		l.sendS()
	}
	if l.state == Stopping && !l.controlling {
		l.confirmStop(now)
	}
}

// skip marks a received frame as one that the application does not get, so
// that it is acknowledged together with the one before it.
func (l *link) skip(now time.Duration, index uint64) {
	l.skipped = append(l.skipped, index)
	l.ack(now, l.taken)
}

func (l *link) sendS() {
	l.out = AppendS(l.out, uint16(l.taken%SequenceModulus))
	l.confirmed = l.taken
	l.live = true
	l.counters.SentS++
	l.counters.SentOctets += 2 + apciLength
}

// output returns what is to be written, and whether only a starting or started
// link may send it; the link goes on with spare as its buffer.
func (l *link) output(spare []byte) (out []byte, live bool) {
	out, live = l.out, l.live || l.state == Started || l.state == Stopping
	l.out, l.live = spare[:0], false
	return out, live
}

func (l *link) event(e event) { l.events = append(l.events, e) }

// close ends the link: nothing more is received or sent. The first reason stays.
func (l *link) close(err error) {
	if l.state == Closed {
		return
	}
	l.state, l.err = Closed, err
	l.event(event{kind: linkClosed})
}

// Counters count the frames and octets of a link, or of all links of a server.
type Counters struct {
	ReceivedI, ReceivedS, ReceivedU uint64
	SentI, SentS, SentU             uint64
	ReceivedOctets, SentOctets      uint64
	Early                           uint64 // I-frames that came before STARTDT con and were tolerated
	Malformed                       uint64 // I-frames whose ASDU was rejected: not delivered, not even in part
}

// received is the number of frames of all formats.
func (c *Counters) received() uint64 { return c.ReceivedI + c.ReceivedS + c.ReceivedU }

func (c *Counters) add(o Counters) {
	c.ReceivedI += o.ReceivedI
	c.ReceivedS += o.ReceivedS
	c.ReceivedU += o.ReceivedU
	c.SentI += o.SentI
	c.SentS += o.SentS
	c.SentU += o.SentU
	c.ReceivedOctets += o.ReceivedOctets
	c.SentOctets += o.SentOctets
	c.Early += o.Early
	c.Malformed += o.Malformed
}
