package iec104

import (
	"fmt"
	"iter"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
)

const (
	// maxBatch is how many octets are gathered for one write.
	maxBatch = 32 << 10
	// maxUnwritten bounds the answers to a peer that asks and does not read.
	maxUnwritten = 64 << 10
	// maxOutgoing is how many ASDUs handed to Send may wait.
	maxOutgoing = 64
)

// outbox is what waits to be sent as I-frames. Its fields are guarded by
// conn.mu but where they are said to be the sender's.
type outbox struct {
	running bool // the sender is
	again   bool // it has to look once more before it ends

	asdus   []outgoing // go first
	source  Source     // then
	streams []*stream  // last

	stopped bool      // the source is to be told that the link stopped
	err     error     // why
	stale   []*stream // of a link that was stopped; the sender ends them

	// The sender's: what each frame of the window was to the source, at frame % K.
	marks   []mark
	told    uint64 // frames whose acknowledgement the source was told of
	spare   []byte // buffer to swap with the link's
	written []chan error
}

// outgoing is an ASDU given to Send.
type outgoing struct {
	asdu   asdu.ASDU
	result chan error // with room for one; nil if nobody waits
}

// mark is the index that a source gave to a frame.
type mark struct {
	index uint64
	set   bool
}

// stream is a lazy series of ASDUs.
type stream struct {
	seq  iter.Seq[asdu.ASDU]
	next func() (asdu.ASDU, bool)
	end  func()
}

func (s *stream) stop() {
	if s.end != nil {
		s.end()
	}
}

// stop forgets what belongs to the link that was stopped or lost. conn.mu is held.
func (o *outbox) stop(err error) {
	for _, out := range o.asdus {
		if out.result != nil {
			if err == nil {
				err = ErrNotStarted
			}
			out.result <- notSent(&err)
		}
	}
	o.asdus = nil
	o.stale = append(o.stale, o.streams...)
	o.streams = nil
	if o.source != nil && !o.stopped {
		o.stopped, o.err = true, err
	}
}

// notSent says that an ASDU never left, and why.
func notSent(why *error) error {
	if why == nil {
		return ErrNotSent
	}
	return fmt.Errorf("%w: %w", ErrNotSent, *why)
}

// fulfil tells those who wait in Client.Send what became of the batch.
func (o *outbox) fulfil(err error) {
	for _, result := range o.written {
		result <- err
	}
	o.written = o.written[:0]
}

// kick lets the sender look for work. mu is held.
func (c *conn) kick() {
	o := &c.outbox
	o.again = true
	if !o.running && !c.closing {
		o.running = true
		c.senders.Add(1)
		go c.send()
	}
}

// send is the sender: it runs until there is nothing to do.
func (c *conn) send() {
	defer c.senders.Done()
	ended := false
	defer func() {
		if !ended { // by itself: once it has, running is another sender's
			c.unsent()
		}
	}()
	defer c.caught()
	for c.pass() {
	}
	ended = true
}

// unsent answers those who wait for what a panic has kept from being sent.
func (c *conn) unsent() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outbox.running = false
	c.outbox.fulfil(notSent(c.reason.Load()))
}

// pass is one round of the sender. It returns false when there is nothing left
// to do.
func (c *conn) pass() (more bool) {
	o := &c.outbox
	c.mu.Lock()
	defer c.mu.Unlock()
	o.again = false // first of all: what comes from now on makes another round
	c.tellSource()
	c.fill()
	out, live := c.link.output(o.spare)
	o.spare = out
	if len(out) > 0 && !c.closing {
		c.carryOut(c.now())
		c.mu.Unlock()
		c.tell(func() { c.write(out, live) })
		c.mu.Lock()
	}
	if o.again && !c.closing {
		return true
	}
	o.running = false
	o.fulfil(notSent(c.reason.Load()))
	return false
}

// write is the only place that writes to the connection.
func (c *conn) write(b []byte, live bool) {
	err := c.allowed(live)
	if err == nil && c.tap != nil {
		c.show(Sent, b)
		err = c.allowed(live) // the tap took its time
	}
	if err != nil {
		c.outbox.fulfil(notSent(&err))
		c.fail(err)
		return
	}
	if _, err = c.net.Write(b); err != nil {
		err = fmt.Errorf("iec104: connection lost: %w", err)
		c.fail(err)
	}
	c.outbox.fulfil(err)
}

// allowed asks the guard, last of all before the write, and gives that t1.
func (c *conn) allowed(live bool) error {
	if err := c.net.SetWriteDeadline(time.Now().Add(c.cfg.T1)); err != nil {
		return fmt.Errorf("iec104: connection lost: %w", err)
	}
	if live {
		if err := c.owner.guard(); err != nil {
			return fmt.Errorf("%w: %w", ErrGuard, err)
		}
	}
	return nil
}

// fill takes ASDUs in their order of precedence while the window has room. mu
// is held, but not while the application is asked.
func (c *conn) fill() {
	o := &c.outbox
	now := c.now()
	for c.link.room() > 0 && !c.closing {
		// Write what there is, if it is much, or if acknowledgements came that
		// the source must be told of before the marks are used anew.
		if len(c.link.out) >= maxBatch || c.link.sent-o.told >= uint64(c.cfg.K) {
			o.again = true
			return
		}
		if len(o.asdus) > 0 {
			out := o.asdus[0]
			o.asdus = o.asdus[1:]
			c.sendFrame(now, out.asdu, mark{})
			if out.result != nil {
				o.written = append(o.written, out.result)
			}
			c.notify() // there is room for another
			continue
		}
		source, s := o.source, o.stream()
		if source == nil && s == nil {
			return
		}
		c.mu.Unlock()
		a, m, ok := c.ask(source, s)
		c.mu.Lock()
		switch {
		case !ok && s == nil:
			return
		case !m.set && o.stream() != s: // stopped meanwhile
			return
		case !ok:
			o.streams = o.streams[1:]
		case c.link.room() > 0: // else stopped meanwhile, as the source will be told
			c.sendFrame(now, a, m)
		}
	}
}

// stream is the first of the streams, nil if there is none.
func (o *outbox) stream() *stream {
	if len(o.streams) == 0 {
		return nil
	}
	return o.streams[0]
}

// ask asks the source for an ASDU, and when it has none, the stream. Either
// may be nil.
func (c *conn) ask(source Source, s *stream) (a asdu.ASDU, m mark, ok bool) {
	defer c.caught()
	if source != nil {
		if a, index, ok := source.Next(); ok {
			return a, mark{index: index, set: true}, true
		}
	}
	if s == nil {
		return a, m, false
	}
	if s.next == nil {
		s.next, s.end = iter.Pull(s.seq)
	}
	a, ok = s.next()
	return a, m, ok
}

// sendFrame puts an ASDU into the window. mu is held.
func (c *conn) sendFrame(now time.Duration, a asdu.ASDU, m mark) {
	o := &c.outbox
	if o.marks == nil {
		o.marks = make([]mark, c.cfg.K)
	}
	o.marks[c.link.sent%uint64(c.cfg.K)] = m
	c.link.send(now, a)
}

// tellSource tells the source what was acknowledged, and that it is stopped.
// Only the sender calls it, and finish after the sender has ended. mu is held,
// but not while the source is told.
func (c *conn) tellSource() {
	o := &c.outbox
	source, stopped, err := o.source, o.stopped, o.err
	stale := o.stale
	o.stale = nil
	var last mark
	for ; o.told < c.link.acked; o.told++ {
		if m := o.marks[o.told%uint64(c.cfg.K)]; m.set {
			last = m
		}
	}
	if len(stale) == 0 && (source == nil || !last.set && !stopped) {
		return
	}
	c.mu.Unlock()
	for _, s := range stale {
		c.tell(s.stop)
	}
	if source != nil && last.set {
		c.tell(func() { source.Acked(last.index) })
	}
	if source != nil && stopped {
		c.tell(func() { source.Stopped(err) })
	}
	c.mu.Lock()
	if source != nil && stopped {
		o.source, o.stopped, o.err = nil, false, nil
		c.notify()
	}
}
