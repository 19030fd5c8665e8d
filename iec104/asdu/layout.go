package asdu

import (
	"encoding/binary"
	"fmt"
)

// layout is what the codec knows of a type: the row to add for a new TypeID.
type layout struct {
	name    string
	element *element // nil: the type is unknown
	elapsed bool     // a CP16Time2a (milliseconds) follows the element
	time    TimeTag
	untimed TypeID // the same information without a time tag; 0: the type itself

	// Filled in by init.
	cp56 TypeID // the same information with a CP56Time2a, or the type itself
	size int    // octets of an object without its address
}

var layouts = [256]layout{
	M_SP_NA_1: {name: "M_SP_NA_1", element: &siq},
	M_SP_TA_1: {name: "M_SP_TA_1", element: &siq, time: CP24, untimed: M_SP_NA_1},
	M_DP_NA_1: {name: "M_DP_NA_1", element: &diq},
	M_DP_TA_1: {name: "M_DP_TA_1", element: &diq, time: CP24, untimed: M_DP_NA_1},
	M_ST_NA_1: {name: "M_ST_NA_1", element: &vtiQDS},
	M_ST_TA_1: {name: "M_ST_TA_1", element: &vtiQDS, time: CP24, untimed: M_ST_NA_1},
	M_BO_NA_1: {name: "M_BO_NA_1", element: &bsiQDS},
	M_BO_TA_1: {name: "M_BO_TA_1", element: &bsiQDS, time: CP24, untimed: M_BO_NA_1},
	M_ME_NA_1: {name: "M_ME_NA_1", element: &nvaQDS},
	M_ME_TA_1: {name: "M_ME_TA_1", element: &nvaQDS, time: CP24, untimed: M_ME_NA_1},
	M_ME_NB_1: {name: "M_ME_NB_1", element: &svaQDS},
	M_ME_TB_1: {name: "M_ME_TB_1", element: &svaQDS, time: CP24, untimed: M_ME_NB_1},
	M_ME_NC_1: {name: "M_ME_NC_1", element: &r32QDS},
	M_ME_TC_1: {name: "M_ME_TC_1", element: &r32QDS, time: CP24, untimed: M_ME_NC_1},
	M_IT_NA_1: {name: "M_IT_NA_1", element: &bcr},
	M_IT_TA_1: {name: "M_IT_TA_1", element: &bcr, time: CP24, untimed: M_IT_NA_1},
	M_EP_TA_1: {name: "M_EP_TA_1", element: &sep, elapsed: true, time: CP24},
	M_EP_TB_1: {name: "M_EP_TB_1", element: &packedQDP, elapsed: true, time: CP24},
	M_EP_TC_1: {name: "M_EP_TC_1", element: &packedQDP, elapsed: true, time: CP24},
	M_PS_NA_1: {name: "M_PS_NA_1", element: &bsiQDS},
	M_ME_ND_1: {name: "M_ME_ND_1", element: &nva},
	M_SP_TB_1: {name: "M_SP_TB_1", element: &siq, time: CP56, untimed: M_SP_NA_1},
	M_DP_TB_1: {name: "M_DP_TB_1", element: &diq, time: CP56, untimed: M_DP_NA_1},
	M_ST_TB_1: {name: "M_ST_TB_1", element: &vtiQDS, time: CP56, untimed: M_ST_NA_1},
	M_BO_TB_1: {name: "M_BO_TB_1", element: &bsiQDS, time: CP56, untimed: M_BO_NA_1},
	M_ME_TD_1: {name: "M_ME_TD_1", element: &nvaQDS, time: CP56, untimed: M_ME_NA_1},
	M_ME_TE_1: {name: "M_ME_TE_1", element: &svaQDS, time: CP56, untimed: M_ME_NB_1},
	M_ME_TF_1: {name: "M_ME_TF_1", element: &r32QDS, time: CP56, untimed: M_ME_NC_1},
	M_IT_TB_1: {name: "M_IT_TB_1", element: &bcr, time: CP56, untimed: M_IT_NA_1},
	M_EP_TD_1: {name: "M_EP_TD_1", element: &sep, elapsed: true, time: CP56},
	M_EP_TE_1: {name: "M_EP_TE_1", element: &packedQDP, elapsed: true, time: CP56},
	M_EP_TF_1: {name: "M_EP_TF_1", element: &packedQDP, elapsed: true, time: CP56},

	C_SC_NA_1: {name: "C_SC_NA_1", element: &sco},
	C_DC_NA_1: {name: "C_DC_NA_1", element: &dco},
	C_RC_NA_1: {name: "C_RC_NA_1", element: &rco},
	C_SE_NA_1: {name: "C_SE_NA_1", element: nvaQOS},
	C_SE_NB_1: {name: "C_SE_NB_1", element: svaQOS},
	C_SE_NC_1: {name: "C_SE_NC_1", element: r32QOS},
	C_BO_NA_1: {name: "C_BO_NA_1", element: &bsi},
	C_SC_TA_1: {name: "C_SC_TA_1", element: &sco, time: CP56, untimed: C_SC_NA_1},
	C_DC_TA_1: {name: "C_DC_TA_1", element: &dco, time: CP56, untimed: C_DC_NA_1},
	C_RC_TA_1: {name: "C_RC_TA_1", element: &rco, time: CP56, untimed: C_RC_NA_1},
	C_SE_TA_1: {name: "C_SE_TA_1", element: nvaQOS, time: CP56, untimed: C_SE_NA_1},
	C_SE_TB_1: {name: "C_SE_TB_1", element: svaQOS, time: CP56, untimed: C_SE_NB_1},
	C_SE_TC_1: {name: "C_SE_TC_1", element: r32QOS, time: CP56, untimed: C_SE_NC_1},
	C_BO_TA_1: {name: "C_BO_TA_1", element: &bsi, time: CP56, untimed: C_BO_NA_1},

	M_EI_NA_1: {name: "M_EI_NA_1", element: coi},
	C_IC_NA_1: {name: "C_IC_NA_1", element: qoi},
	C_CI_NA_1: {name: "C_CI_NA_1", element: qcc},
	C_RD_NA_1: {name: "C_RD_NA_1", element: &empty},
	C_CS_NA_1: {name: "C_CS_NA_1", element: &empty, time: CP56},
	C_TS_NA_1: {name: "C_TS_NA_1", element: &word},
	C_RP_NA_1: {name: "C_RP_NA_1", element: qrp},
	C_CD_NA_1: {name: "C_CD_NA_1", element: &empty, elapsed: true},
	C_TS_TA_1: {name: "C_TS_TA_1", element: &word, time: CP56},
	P_ME_NA_1: {name: "P_ME_NA_1", element: nvaQPM},
	P_ME_NB_1: {name: "P_ME_NB_1", element: svaQPM},
	P_ME_NC_1: {name: "P_ME_NC_1", element: r32QPM},
	P_AC_NA_1: {name: "P_AC_NA_1", element: qpa},

	// Of file transfer they are but names: see file.go.
	F_FR_NA_1: {name: "F_FR_NA_1"},
	F_SR_NA_1: {name: "F_SR_NA_1"},
	F_SC_NA_1: {name: "F_SC_NA_1"},
	F_LS_NA_1: {name: "F_LS_NA_1"},
	F_AF_NA_1: {name: "F_AF_NA_1"},
	F_SG_NA_1: {name: "F_SG_NA_1"},
	F_DR_TA_1: {name: "F_DR_TA_1"},
	F_SC_NB_1: {name: "F_SC_NB_1"},
}

func init() {
	for i := range layouts {
		l := &layouts[i]
		if l.element == nil {
			continue
		}
		l.size = l.element.size + l.time.size()
		if l.elapsed {
			l.size += 2
		}
		l.cp56 = TypeID(i)
		if l.untimed == 0 {
			l.untimed = TypeID(i)
		}
	}
	for i := range layouts {
		if l := &layouts[i]; l.time == CP56 {
			layouts[l.untimed].cp56 = TypeID(i)
		}
	}
}

// decode reads an object without its address from exactly l.size octets.
func (l *layout) decode(b []byte, o *Object) {
	o.Value, o.Quality, o.Qualifier = l.element.decode(b)
	b = b[l.element.size:]
	if l.elapsed {
		o.Elapsed = binary.LittleEndian.Uint16(b)
		b = b[2:]
	}
	switch l.time {
	case CP24:
		o.Time = CP56Time2a{b[0], b[1], b[2]}
	case CP56:
		o.Time = CP56Time2a(b)
	}
}

// encode writes an object without its address into exactly l.size octets.
func (l *layout) encode(b []byte, o *Object) error {
	v, ok := l.element.wire(o.Value)
	if !ok {
		return fmt.Errorf("%w: %v in a %s at address %d", ErrValue, o.Value, l.name, o.Address)
	}
	l.element.encode(b, v, o.Quality, o.Qualifier)
	b = b[l.element.size:]
	if l.elapsed {
		binary.LittleEndian.PutUint16(b, o.Elapsed)
		b = b[2:]
	}
	copy(b, o.Time[:]) // as much of it as there is room for
	return nil
}
