package fsm

import (
	"fmt"

	"github.com/fepha/fepha/fsm/fsmpb"
)

// Kind says what a point is. It is part of a point's key.
type Kind uint8

// The kinds, with the numbers of [fsmpb.Kind].
const (
	KindNone Kind = iota
	DI            // digital input: single or double point, step position
	AI            // analog input
	Counter       // integrated total
	DO            // digital output
	AO            // analog output

	kinds
)

var kindNames = [kinds]string{"none", "di", "ai", "counter", "do", "ao"}

// String gives the word of the points tables: di, ai, counter, do or ao.
func (k Kind) String() string {
	if k < kinds {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// ParseKind is the inverse of String.
func ParseKind(s string) (Kind, error) {
	for k := DI; k < kinds; k++ {
		if kindNames[k] == s {
			return k, nil
		}
	}
	return KindNone, fmt.Errorf("kind %q: expected di, ai, counter, do or ao", s)
}

// Proto is the kind as it stands in commands.
func (k Kind) Proto() fsmpb.Kind { return fsmpb.Kind(k) }

// IsControl tells whether points of this kind are operated, not monitored.
func (k Kind) IsControl() bool { return k == DO || k == AO }

// monitored tells the kinds that have values in the image.
func (k Kind) monitored() bool { return k == DI || k == AI || k == Counter }

// What the state has to know of IEC 60870-5-101, whose package it doesn't import; a test holds it against that package.

// Bits of the quality octet (7.2.6.1 and 7.2.6.3) that the state itself sets.
const (
	QualityNotTopical = 0x40 // NT of SIQ, DIQ and QDS
	QualityInvalid    = 0x80 // IV of all of them and of BCR
)

// substitutedTime is RES1 of a CP56Time2a (7.2.6.18), first octet in the lowest byte: the time isn't the device's.
const substitutedTime = 0x40 << 16

// qualityElapsed is EI of QDP (7.2.6.4): the elapsed time is invalid.
const qualityElapsed = 0x08

// notTopicalBit is the quality bit that says "not topical" for a value of this TypeID. A binary counter reading has
// no NT: there the same bit means "adjusted" (7.2.6.9), so the reading is marked invalid.
func notTopicalBit(typeID uint8) uint8 {
	switch typeID {
	case 15, 16, 37: // M_IT_NA_1, M_IT_TA_1, M_IT_TB_1
		return QualityInvalid
	}
	return QualityNotTopical
}

// NotTopical tells whether nobody vouches for the value.
func (p Point) NotTopical() bool { return p.Quality&notTopicalBit(p.Type) != 0 }

// typeSinglePoint is M_SP_TB_1, as what virtual points are reported.
const typeSinglePoint = 30

// PointKey identifies a point of the station.
type PointKey struct {
	RTU   uint32
	Kind  Kind
	Point uint32
}

// String gives rtu/kind/point, such as 1/di/17.
func (k PointKey) String() string { return fmt.Sprintf("%d/%s/%d", k.RTU, k.Kind, k.Point) }

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
