package configs

import (
	"fmt"
	"strconv"
	"strings"
)

// TypeID is an IEC 60870-5-101 type identification, as far as points may have it. It's the number on the wire.
type TypeID uint8

// types are the type identifications that each kind of point may have (IEC 60870-5-101, 7.2.1).
var types = []struct {
	id   TypeID
	name string
	kind Kind
}{
	{1, "M_SP_NA_1", KindDI},
	{3, "M_DP_NA_1", KindDI},
	{30, "M_SP_TB_1", KindDI},
	{31, "M_DP_TB_1", KindDI},

	{5, "M_ST_NA_1", KindAI},
	{9, "M_ME_NA_1", KindAI},
	{11, "M_ME_NB_1", KindAI},
	{13, "M_ME_NC_1", KindAI},
	{21, "M_ME_ND_1", KindAI},
	{32, "M_ST_TB_1", KindAI},
	{34, "M_ME_TD_1", KindAI},
	{35, "M_ME_TE_1", KindAI},
	{36, "M_ME_TF_1", KindAI},

	{15, "M_IT_NA_1", KindCounter},
	{37, "M_IT_TB_1", KindCounter},

	{45, "C_SC_NA_1", KindDO},
	{46, "C_DC_NA_1", KindDO},
	{47, "C_RC_NA_1", KindDO},
	{58, "C_SC_TA_1", KindDO},
	{59, "C_DC_TA_1", KindDO},
	{60, "C_RC_TA_1", KindDO},

	{48, "C_SE_NA_1", KindAO},
	{49, "C_SE_NB_1", KindAO},
	{50, "C_SE_NC_1", KindAO},
	{51, "C_BO_NA_1", KindAO},
	{61, "C_SE_TA_1", KindAO},
	{62, "C_SE_TB_1", KindAO},
	{63, "C_SE_TC_1", KindAO},
	{64, "C_BO_TA_1", KindAO},
}

// withoutQuality is M_ME_ND_1: devices may send it, but a control centre can't be told by it that a value isn't good.
const withoutQuality TypeID = 21

// String gives the standard's name, such as M_SP_TB_1.
func (t TypeID) String() string {
	for _, e := range types {
		if e.id == t {
			return e.name
		}
	}
	return fmt.Sprintf("type %d", uint8(t))
}

// parseType reads a type's name or number, and tells whether points of this kind may have it.
func parseType(text string, kind Kind) (TypeID, bool) {
	number, err := strconv.Atoi(text)
	for _, e := range types {
		if e.kind == kind && (err == nil && int(e.id) == number || strings.EqualFold(e.name, text)) {
			return e.id, true
		}
	}
	return 0, false
}

// typesOf lists what a point of this kind may have, for messages.
func typesOf(kind Kind) string {
	var list []string
	for _, e := range types {
		if e.kind == kind {
			list = append(list, fmt.Sprintf("%s (%d)", e.name, e.id))
		}
	}
	return "one of " + strings.Join(list, ", ")
}
