package points

import "fmt"

// Key identifies a point of the station.
type Key struct {
	RTU   uint32
	Kind  Kind
	Point uint32
}

// String gives rtu/kind/point, such as 1/di/17.
func (k Key) String() string { return fmt.Sprintf("%d/%s/%d", k.RTU, k.Kind, k.Point) }

// Point is the newest value of a point.
type Point struct {
	Value   float64
	Quality uint8
	Type    uint8 // TypeID that it came with
	// Transient tells of a step position that the equipment is on its way (7.2.6.5).
	Transient bool
	Time      uint64 // octets of the CP56Time2a, first octet in the lowest byte
	TimeMs    int64  // the same instant, ms since 1970-01-01 UTC
	// AsValue: what it says is told as a value, without a time, whatever its newest event says.
	AsValue bool
	Seq     uint64 // its newest event in the journal; 0 if it never had one
	Version uint64 // of the image when it last changed
}

// NotTopical tells whether nobody vouches for the value.
func (p Point) NotTopical() bool { return p.Quality&NotTopicalBit(p.Type) != 0 }

// Information is what it says, and since when.
func (p *Point) Information() Information {
	return Information{p.Value, p.Type, p.Quality, p.Transient, p.TimeMs}
}
