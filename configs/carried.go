package configs

import (
	"fmt"
	"math"
)

// A value goes up as the type of the uplink's row, in engineering units. What that type can't hold is marked when it's
// sent (docs/UPLINKS.md); what would be lost of every value without a mark is a warning here.

// checkCarried warns where the uplink's type can't tell the values that the point likely has.
func (l *loader) checkCarried(r *row, key stationKey, p *Point, as TypeID) {
	a := p.Scaling()
	unscaled := math.Abs(a.Scale) <= 1
	switch from := p.Type.information(); {
	case as.information() == stepPosition || as.information() == scaledValue:
		switch {
		case from == normalizedValue && unscaled:
			r.warn(uplinkType, fmt.Sprintf("%v has whole numbers, and %v comes normalized, -1 to 1, without a scale: little more than its sign is left", as, key),
				"M_ME_NC_1 (13) or M_ME_NA_1 (9), or a scale in the RTU's table")
		case from == 0 && p.Analog == nil:
			r.warn(uplinkType, fmt.Sprintf("%v has whole numbers, and the RTU's table says neither type nor scale of %v: if it comes normalized, -1 to 1, little more than its sign is left", as, key),
				"the type in the RTU's table, or M_ME_NC_1 (13)")
		}
	case as.information() == normalizedValue:
		whole := (from == scaledValue || from == stepPosition) && p.Analog == nil
		if beyond := a.Low < -1 || a.High > 1; whole || beyond && !math.IsInf(a.High-a.Low, 0) {
			r.warn(uplinkType, fmt.Sprintf("%v holds -1 to 1, and %v goes beyond: such values are told as the end of the range, with OV", as, key),
				"M_ME_NC_1 (13), or a scale in the RTU's table")
		}
	case as.information() == integratedTotal:
		if a.Scale != math.Trunc(a.Scale) || a.Offset != math.Trunc(a.Offset) {
			r.warn(uplinkType, fmt.Sprintf("%v holds whole numbers, and %v has the scale %v and the offset %v: the fraction is lost", as, key, a.Scale, a.Offset),
				"a whole scale and offset in the RTU's table")
		}
	}
}

// Types without time tag, each standing for those with one too.
const (
	stepPosition    TypeID = 5
	normalizedValue TypeID = 9
	scaledValue     TypeID = 11
	integratedTotal TypeID = 15
)

// information is the type with the same information and no time tag; M_ME_ND_1 counts as M_ME_NA_1.
func (t TypeID) information() TypeID {
	switch t {
	case 21, 34:
		return normalizedValue
	case 32:
		return stepPosition
	case 35:
		return scaledValue
	case 37:
		return integratedTotal
	}
	return t
}
