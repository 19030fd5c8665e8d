package points

import "testing"

func TestQualifiers(t *testing.T) {
	for _, tt := range []struct {
		kind  Kind
		text  string
		octet uint8
		fails bool
	}{
		{DO, "", 0, false}, {DO, "0", 0, false}, {DO, "short", 4, false}, {DO, "LONG", 8, false}, {DO, "persistent", 12, false},
		{DO, "1", 4, false}, {DO, "31", 124, false}, {DO, "32", 0, true}, {DO, "pulse", 0, true}, {DO, "-1", 0, true},
		{AO, "127", 127, false}, {AO, "128", 0, true}, {AO, "short", 0, true}, {AO, "3", 3, false}, {AO, "", 0, false},
	} {
		octet, err := ParseQualifier(tt.kind, tt.text)
		if octet != tt.octet || (err != nil) != tt.fails {
			t.Errorf("%v %q: %#x, %v, expected %#x", tt.kind, tt.text, octet, err, tt.octet)
		}
	}
	for octet := range 128 {
		n := QualifierNumber(DO, uint8(octet))
		if back := n << 2; back != uint8(octet)&^3 {
			t.Errorf("DO %#x: %d", octet, n)
		}
		if n := QualifierNumber(AO, uint8(octet)); int(n) != octet {
			t.Errorf("AO %#x: %d", octet, n)
		}
	}
}
