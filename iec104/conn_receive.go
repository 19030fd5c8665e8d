package iec104

import "fmt"

// inbox is what was received and not handled yet, guarded by conn.mu but for
// what is said to be the dispatcher's.
type inbox struct {
	limit   int    // octets that may wait
	octets  []byte // of each ASDU: its length, then itself
	first   uint64 // index of the first one
	running bool   // the dispatcher is
	spare   []byte // the dispatcher's: buffer to swap
}

// deliver puts a received ASDU into the inbox. mu is held.
func (c *conn) deliver(e event) {
	in := &c.inbox
	if len(in.octets)+len(e.asdu) >= in.limit {
		c.link.close(fmt.Errorf("%w: more than %d octets wait", ErrBacklog, in.limit))
		return
	}
	if len(in.octets) == 0 {
		in.first = e.index
	}
	in.octets = append(append(in.octets, byte(len(e.asdu))), e.asdu...)
	if !in.running && !c.closing {
		in.running = true
		c.others.Add(1)
		go c.dispatch()
	}
}

// dispatch is the dispatcher: it hands what was received to the application,
// in order, until there is nothing left. What is left when the link closes was
// not acknowledged, so it will be sent again.
func (c *conn) dispatch() {
	defer c.others.Done()
	defer c.caught()
	in := &c.inbox
	for {
		c.mu.Lock()
		if len(in.octets) == 0 || c.closing {
			in.running = false
			c.mu.Unlock()
			return
		}
		octets, index := in.octets, in.first
		in.octets = in.spare[:0]
		in.spare = octets
		c.mu.Unlock()
		for len(octets) > 0 && c.reason.Load() == nil {
			n := 1 + int(octets[0])
			c.handle(octets[1:n], index)
			octets = octets[n:]
			index++
		}
	}
}

// handle hands one ASDU to the application, or rejects it as a whole.
func (c *conn) handle(b []byte, index uint64) {
	a, err := c.cfg.Profile.Parse(b)
	switch {
	case err == nil:
		c.owner.handle(a, index)
	case !c.reject(b, index, err):
		return
	}
	if !c.cfg.ManualAck {
		c.Ack(index)
	}
}

// reject counts an ASDU that can't be parsed. taken says that the application
// has it and acknowledges it; otherwise it is skipped.
func (c *conn) reject(b []byte, index uint64, err error) (taken bool) {
	c.mu.Lock()
	if c.link.counters.Malformed == 0 {
		c.log.Warn("ASDU rejected, further ones are only counted", "error", err)
	}
	c.link.counters.Malformed++
	c.mu.Unlock()
	if c.owner.malformed(b, index, err) {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	c.link.skip(now, index)
	c.carryOut(now)
	return false
}
