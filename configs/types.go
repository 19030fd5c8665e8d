package configs

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104/asdu"
)

// types are the type identifications that points of each kind may have (IEC 60870-5-101, 7.2.1).
var types = map[fsm.Kind][]asdu.TypeID{
	fsm.DI: {asdu.M_SP_NA_1, asdu.M_DP_NA_1, asdu.M_SP_TB_1, asdu.M_DP_TB_1, asdu.M_EP_TD_1},
	fsm.AI: {
		asdu.M_ST_NA_1, asdu.M_ME_NA_1, asdu.M_ME_NB_1, asdu.M_ME_NC_1, asdu.M_ME_ND_1,
		asdu.M_ST_TB_1, asdu.M_ME_TD_1, asdu.M_ME_TE_1, asdu.M_ME_TF_1,
	},
	fsm.Counter: {asdu.M_IT_NA_1, asdu.M_IT_TB_1},
	fsm.Bitstring: {
		asdu.M_BO_NA_1, asdu.M_BO_TB_1, asdu.M_PS_NA_1, asdu.M_EP_TE_1, asdu.M_EP_TF_1,
	},
	fsm.DO: {
		asdu.C_SC_NA_1, asdu.C_DC_NA_1, asdu.C_RC_NA_1,
		asdu.C_SC_TA_1, asdu.C_DC_TA_1, asdu.C_RC_TA_1,
	},
	fsm.AO: {
		asdu.C_SE_NA_1, asdu.C_SE_NB_1, asdu.C_SE_NC_1, asdu.C_BO_NA_1,
		asdu.C_SE_TA_1, asdu.C_SE_TB_1, asdu.C_SE_TC_1, asdu.C_BO_TA_1,
		asdu.P_ME_NA_1, asdu.P_ME_NB_1, asdu.P_ME_NC_1, asdu.P_AC_NA_1,
	},
}

// withoutQuality is a type that devices may send, but by which a control centre can't be told that a value isn't good.
const withoutQuality = asdu.M_ME_ND_1

// parseType reads a type's name or number, and tells whether points of this kind may have it.
func parseType(text string, kind fsm.Kind) (asdu.TypeID, bool) {
	number, err := strconv.Atoi(text)
	i := slices.IndexFunc(types[kind], func(t asdu.TypeID) bool {
		return err == nil && int(t) == number || strings.EqualFold(t.String(), text)
	})
	if i < 0 {
		return 0, false
	}
	return types[kind][i], true
}

// typesLike lists what a point of this kind and type may be told as without loss, for messages.
func typesLike(kind fsm.Kind, t asdu.TypeID) string {
	var list []string
	for _, other := range types[kind] {
		if information(other) == information(t) {
			list = append(list, fmt.Sprintf("%s (%d)", other, other))
		}
	}
	return strings.Join(list, " or ")
}

// typesOf lists what a point of this kind may have, for messages.
func typesOf(kind fsm.Kind) string {
	var list []string
	for _, t := range types[kind] {
		list = append(list, fmt.Sprintf("%s (%d)", t, t))
	}
	return "one of " + strings.Join(list, ", ")
}

// A value goes up as the type of the uplink's row, in engineering units. What that type can't hold is marked when it's
// sent (docs/UPLINKS.md); what would be lost of every value without a mark is a warning here.

// checkCarried refuses an uplink's type that tells another information than the point's, and warns where it can't tell the
// values that the point likely has. p is nil for a virtual point.
func (l *loader) checkCarried(r *row, key stationKey, p *Point, as asdu.TypeID) {
	var own asdu.TypeID
	if p != nil {
		own = p.Type
		if p.Bit != 0 {
			own = asdu.M_SP_NA_1
		}
	}
	switch {
	case key.kind == fsm.AO && own != 0 && (as.IsParameter() != own.IsParameter() || (as == asdu.P_AC_NA_1) != (own == asdu.P_AC_NA_1)):
		r.fail(uplinkType, fmt.Sprintf("%v is %v, which %v can't ask for", key, own, as), "a set point for a set point, a parameter for a parameter, P_AC_NA_1 (113) for itself")
		return
	case key.kind == fsm.Bitstring && information(as) != information(own):
		r.fail(uplinkType, fmt.Sprintf("%v is %v, of which %v can't tell every bit", key, own, as), typesLike(key.kind, own))
		return
	case as == asdu.M_EP_TD_1 && own != as:
		r.fail(uplinkType, fmt.Sprintf("%v has no elapsed time as %v, since its own type isn't that", key, as), "M_SP_TB_1 (30) or M_DP_TB_1 (31), or the type in the RTU's table")
		return
	case p == nil:
		return
	}
	a := p.Scaling()
	unscaled := math.Abs(a.Scale) <= 1
	switch from := information(p.Type); {
	case information(as) == asdu.M_ST_NA_1 || information(as) == asdu.M_ME_NB_1:
		switch {
		case from == asdu.M_ME_NA_1 && unscaled:
			r.warn(uplinkType, fmt.Sprintf("%v has whole numbers, and %v comes normalized, -1 to 1, without a scale: little more than its sign is left", as, key),
				"M_ME_NC_1 (13) or M_ME_NA_1 (9), or a scale in the RTU's table")
		case from == 0 && p.Analog == nil:
			r.warn(uplinkType, fmt.Sprintf("%v has whole numbers, and the RTU's table says neither type nor scale of %v: if it comes normalized, -1 to 1, little more than its sign is left", as, key),
				"the type in the RTU's table, or M_ME_NC_1 (13)")
		}
	case information(as) == asdu.M_ME_NA_1:
		whole := (from == asdu.M_ME_NB_1 || from == asdu.M_ST_NA_1) && p.Analog == nil
		if beyond := a.Low < -1 || a.High > 1; whole || beyond && !math.IsInf(a.High-a.Low, 0) {
			r.warn(uplinkType, fmt.Sprintf("%v holds -1 to 1, and %v goes beyond: such values are told as the end of the range, with OV", as, key),
				"M_ME_NC_1 (13), or a scale in the RTU's table")
		}
	case information(as) == asdu.M_IT_NA_1:
		if a.Scale != math.Trunc(a.Scale) || a.Offset != math.Trunc(a.Offset) {
			r.warn(uplinkType, fmt.Sprintf("%v holds whole numbers, and %v has the scale %v and the offset %v: the fraction is lost", as, key, a.Scale, a.Offset),
				"a whole scale and offset in the RTU's table")
		}
	}
}

// information is the type with the same information and no time tag; M_ME_ND_1 counts as M_ME_NA_1.
func information(t asdu.TypeID) asdu.TypeID {
	if t == asdu.M_ME_ND_1 {
		return asdu.M_ME_NA_1
	}
	return t.Untimed()
}
