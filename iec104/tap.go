package iec104

import "time"

// Direction says which way a frame went.
type Direction uint8

const (
	Received Direction = iota
	Sent
)

func (d Direction) String() string {
	if d == Sent {
		return "sent"
	}
	return "received"
}

// Tap sees every frame of a link as it is on the wire, both ways: before it is
// acted on, or right before it is written. The frame's octets may be used
// during the call only. A link's calls come one at a time; the time that a tap
// takes, the link loses.
type Tap func(dir Direction, at time.Time, frame []byte)

// show gives the tap the frames in what was read or is about to be written. Of
// what was read, an incomplete frame will come again.
func (c *conn) show(dir Direction, b []byte) {
	c.tapMu.Lock()
	defer c.tapMu.Unlock()
	at := time.Now()
	for len(b) > 0 {
		n := len(b) // what begins no frame is shown as a whole: the link will close
		if b[0] == StartOctet {
			if len(b) < 2 || len(b) < 2+int(b[1]) {
				return
			}
			n = 2 + int(b[1])
		}
		c.tap(dir, at, b[:n])
		b = b[n:]
	}
}
