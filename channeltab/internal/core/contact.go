package core

// contact is the sending side of admission: what this process needs to be let in by one receiver.
type contact struct {
	number  uint64 // given by the receiver; 0: none yet
	counter uint64 // of the last datagram sent
	echoed  uint64 // highest counter that an answer has echoed
}

// next returns the counter for the next datagram.
func (c *contact) next() uint64 {
	c.counter++
	return c.counter
}

// fresh reports whether an answer belongs to a datagram sent since the last answer. It ends replays of answers, and
// answers that were overtaken by a later one.
func (c *contact) fresh(echo uint64) bool {
	if echo <= c.echoed || echo > c.counter {
		return false
	}
	c.echoed = echo
	return true
}
