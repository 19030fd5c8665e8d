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

// Tap sees every frame of a link, as it was on the wire, both ways: before it
// is acted on, or right before it is written. The frame's octets may be used
// during the call only. A link's calls come one at a time; what the tap takes
// of time, the link loses.
type Tap func(dir Direction, at time.Time, frame []byte)
