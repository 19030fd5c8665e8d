package points

import (
	"testing"

	"github.com/fepha/fepha/iec104/asdu"
)

// The few numbers of the protocol that the state knows are those of the package that implements it.
func TestNumbersOfTheProtocol(t *testing.T) {
	for _, n := range []struct {
		what      string
		got, want uint8
	}{
		{"BL", QualityBlocked, asdu.BL},
		{"SB", QualitySubstituted, asdu.SB},
		{"NT", QualityNotTopical, asdu.NT},
		{"IV", QualityInvalid, asdu.IV},
		{"EI", QualityElapsed, asdu.EI},
		{"type of virtual points", TypeSinglePoint, uint8(asdu.M_SP_TB_1)},
	} {
		if n.got != n.want {
			t.Errorf("%s: %#x, want %#x", n.what, n.got, n.want)
		}
	}
	for id := range 256 {
		want := uint8(asdu.NT)
		if asdu.TypeID(id).Untimed() == asdu.M_IT_NA_1 {
			want = asdu.IV
		}
		if got := NotTopicalBit(uint8(id)); got != want {
			t.Errorf("%v: not topical is %#x, want %#x", asdu.TypeID(id), got, want)
		}
	}
}
