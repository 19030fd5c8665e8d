package points

import (
	"fmt"
	"strconv"
	"strings"
)

// The qualifier of a control stands in an octet with its state and the S/E bit: QU of a DO in bits 3 to 7, QL of an AO in
// bits 1 to 7 (IEC 60870-5-101, 7.2.6.15 to 7.2.6.17, 7.2.6.26 and 7.2.6.39). In the state it has its place in the octet;
// people write the number, or a word for it.

const quShift = 2

var quWords = [...]string{1: "short", 2: "long", 3: "persistent"}

// ParseQualifier reads a qualifier as people write it, short, long, persistent or 0 to 31 for a DO and 0 to 127 for an AO,
// and gives its bits at their place in the octet; 0 for "".
func ParseQualifier(kind Kind, text string) (octet uint8, err error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 8)
	if kind == AO {
		if err != nil || n > 127 {
			return 0, fmt.Errorf("qualifier %.40q: expected QL, 0 to 127", text)
		}
		return uint8(n), nil
	}
	for qu, word := range quWords {
		if word != "" && strings.EqualFold(text, word) {
			return uint8(qu) << quShift, nil
		}
	}
	if err != nil || n > 31 {
		return 0, fmt.Errorf("qualifier %.40q: expected short, long, persistent, or QU, 0 to 31", text)
	}
	return uint8(n) << quShift, nil
}

// QualifierNumber is QU or QL of an octet.
func QualifierNumber(kind Kind, octet uint8) uint8 {
	if kind == AO {
		return octet & 0x7f
	}
	return octet & 0x7f >> quShift
}
