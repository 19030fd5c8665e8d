package configs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104/asdu"
)

// types are the type identifications that points of each kind may have (IEC 60870-5-101, 7.2.1).
var types = map[fsm.Kind][]asdu.TypeID{
	fsm.DI: {asdu.M_SP_NA_1, asdu.M_DP_NA_1, asdu.M_SP_TB_1, asdu.M_DP_TB_1},
	fsm.AI: {
		asdu.M_ST_NA_1, asdu.M_ME_NA_1, asdu.M_ME_NB_1, asdu.M_ME_NC_1, asdu.M_ME_ND_1,
		asdu.M_ST_TB_1, asdu.M_ME_TD_1, asdu.M_ME_TE_1, asdu.M_ME_TF_1,
	},
	fsm.Counter: {asdu.M_IT_NA_1, asdu.M_IT_TB_1},
	fsm.DO: {
		asdu.C_SC_NA_1, asdu.C_DC_NA_1, asdu.C_RC_NA_1,
		asdu.C_SC_TA_1, asdu.C_DC_TA_1, asdu.C_RC_TA_1,
	},
	fsm.AO: {
		asdu.C_SE_NA_1, asdu.C_SE_NB_1, asdu.C_SE_NC_1, asdu.C_BO_NA_1,
		asdu.C_SE_TA_1, asdu.C_SE_TB_1, asdu.C_SE_TC_1, asdu.C_BO_TA_1,
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

// typesOf lists what a point of this kind may have, for messages.
func typesOf(kind fsm.Kind) string {
	var list []string
	for _, t := range types[kind] {
		list = append(list, fmt.Sprintf("%s (%d)", t, t))
	}
	return "one of " + strings.Join(list, ", ")
}
