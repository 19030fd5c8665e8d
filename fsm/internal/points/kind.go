// Package points is what a point is: its kind and key, its newest value, and the few numbers of IEC 60870-5-101 that the state
// knows.
package points

import (
	"fmt"

	"github.com/fepha/fepha/fsm/fsmpb"
)

// Kind says what a point is. It is part of a point's key.
type Kind uint8

// The kinds, with the numbers of [fsmpb.Kind].
const (
	KindNone  Kind = iota
	DI             // digital input: single or double point, step position
	AI             // analog input
	Counter        // integrated total
	DO             // digital output
	AO             // analog output
	Bitstring      // 32 bits, of which each says something, or packed events of protection equipment

	Kinds // how many there are
)

var kindNames = [Kinds]string{"none", "di", "ai", "counter", "do", "ao", "bitstring"}

// String gives the word of the points tables: di, ai, counter, do, ao or bitstring.
func (k Kind) String() string {
	if k < Kinds {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// ParseKind is the inverse of String.
func ParseKind(s string) (Kind, error) {
	for k := DI; k < Kinds; k++ {
		if kindNames[k] == s {
			return k, nil
		}
	}
	return KindNone, fmt.Errorf("kind %q: expected di, ai, counter, do, ao or bitstring", s)
}

// Proto is the kind as it stands in commands.
func (k Kind) Proto() fsmpb.Kind { return fsmpb.Kind(k) }

// IsControl tells whether points of this kind are operated, not monitored.
func (k Kind) IsControl() bool { return k == DO || k == AO }

// Monitored tells the kinds that have values in the image.
func (k Kind) Monitored() bool { return k == DI || k == AI || k == Counter || k == Bitstring }
