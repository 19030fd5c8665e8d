package points

import (
	"testing"

	"github.com/fepha/fepha/iec104"
)

// The few numbers of the protocol that the state knows are those of the package that implements it.
func TestNumbersOfTheProtocol(t *testing.T) {
	for _, n := range []struct {
		what      string
		got, want uint8
	}{
		{"BL", QualityBlocked, iec104.BL},
		{"SB", QualitySubstituted, iec104.SB},
		{"NT", QualityNotTopical, iec104.NT},
		{"IV", QualityInvalid, iec104.IV},
		{"EI", QualityElapsed, iec104.EI},
		{"type of virtual points", TypeSinglePoint, uint8(iec104.M_SP_TB_1)},
	} {
		if n.got != n.want {
			t.Errorf("%s: %#x, want %#x", n.what, n.got, n.want)
		}
	}
	for id := range 256 {
		want := uint8(iec104.NT)
		if iec104.TypeID(id).Untimed() == iec104.M_IT_NA_1 {
			want = iec104.IV
		}
		if got := NotTopicalBit(uint8(id)); got != want {
			t.Errorf("%v: not topical is %#x, want %#x", iec104.TypeID(id), got, want)
		}
	}
}
