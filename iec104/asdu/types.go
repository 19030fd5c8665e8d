package asdu

import "strconv"

// TypeID says what the information objects of an ASDU are (101, clause 7.2.1).
type TypeID uint8

// Process information in monitor direction.
const (
	M_SP_NA_1 TypeID = 1  // single-point information
	M_SP_TA_1 TypeID = 2  // single-point information with CP24
	M_DP_NA_1 TypeID = 3  // double-point information
	M_DP_TA_1 TypeID = 4  // double-point information with CP24
	M_ST_NA_1 TypeID = 5  // step position
	M_ST_TA_1 TypeID = 6  // step position with CP24
	M_BO_NA_1 TypeID = 7  // bitstring of 32 bits
	M_BO_TA_1 TypeID = 8  // bitstring of 32 bits with CP24
	M_ME_NA_1 TypeID = 9  // measured value, normalized
	M_ME_TA_1 TypeID = 10 // measured value, normalized, with CP24
	M_ME_NB_1 TypeID = 11 // measured value, scaled
	M_ME_TB_1 TypeID = 12 // measured value, scaled, with CP24
	M_ME_NC_1 TypeID = 13 // measured value, short float
	M_ME_TC_1 TypeID = 14 // measured value, short float, with CP24
	M_IT_NA_1 TypeID = 15 // integrated total
	M_IT_TA_1 TypeID = 16 // integrated total with CP24
	M_EP_TA_1 TypeID = 17 // event of protection equipment with CP24
	M_EP_TB_1 TypeID = 18 // packed start events of protection equipment with CP24
	M_EP_TC_1 TypeID = 19 // packed output circuit information with CP24
	M_PS_NA_1 TypeID = 20 // packed single points with change detection
	M_ME_ND_1 TypeID = 21 // measured value, normalized, without quality
	M_SP_TB_1 TypeID = 30 // single-point information with CP56
	M_DP_TB_1 TypeID = 31 // double-point information with CP56
	M_ST_TB_1 TypeID = 32 // step position with CP56
	M_BO_TB_1 TypeID = 33 // bitstring of 32 bits with CP56
	M_ME_TD_1 TypeID = 34 // measured value, normalized, with CP56
	M_ME_TE_1 TypeID = 35 // measured value, scaled, with CP56
	M_ME_TF_1 TypeID = 36 // measured value, short float, with CP56
	M_IT_TB_1 TypeID = 37 // integrated total with CP56
	M_EP_TD_1 TypeID = 38 // event of protection equipment with CP56
	M_EP_TE_1 TypeID = 39 // packed start events of protection equipment with CP56
	M_EP_TF_1 TypeID = 40 // packed output circuit information with CP56
)

// Process information in control direction.
const (
	C_SC_NA_1 TypeID = 45 // single command
	C_DC_NA_1 TypeID = 46 // double command
	C_RC_NA_1 TypeID = 47 // regulating step command
	C_SE_NA_1 TypeID = 48 // set-point command, normalized
	C_SE_NB_1 TypeID = 49 // set-point command, scaled
	C_SE_NC_1 TypeID = 50 // set-point command, short float
	C_BO_NA_1 TypeID = 51 // bitstring of 32 bits
	C_SC_TA_1 TypeID = 58 // single command with CP56
	C_DC_TA_1 TypeID = 59 // double command with CP56
	C_RC_TA_1 TypeID = 60 // regulating step command with CP56
	C_SE_TA_1 TypeID = 61 // set-point command, normalized, with CP56
	C_SE_TB_1 TypeID = 62 // set-point command, scaled, with CP56
	C_SE_TC_1 TypeID = 63 // set-point command, short float, with CP56
	C_BO_TA_1 TypeID = 64 // bitstring of 32 bits with CP56
)

// System information and parameters.
const (
	M_EI_NA_1 TypeID = 70  // end of initialization
	C_IC_NA_1 TypeID = 100 // interrogation command
	C_CI_NA_1 TypeID = 101 // counter interrogation command
	C_RD_NA_1 TypeID = 102 // read command
	C_CS_NA_1 TypeID = 103 // clock synchronization command
	C_TS_NA_1 TypeID = 104 // test command
	C_RP_NA_1 TypeID = 105 // reset process command
	C_CD_NA_1 TypeID = 106 // delay acquisition command
	C_TS_TA_1 TypeID = 107 // test command with CP56
	P_ME_NA_1 TypeID = 110 // parameter of measured values, normalized
	P_ME_NB_1 TypeID = 111 // parameter of measured values, scaled
	P_ME_NC_1 TypeID = 112 // parameter of measured values, short float
	P_AC_NA_1 TypeID = 113 // parameter activation
)

// TimeTag is the kind of time tag that a type's objects bear.
type TimeTag uint8

const (
	NoTime TimeTag = iota
	CP24           // CP24Time2a: milliseconds and minutes of an hour, 3 octets
	CP56           // CP56Time2a: date and time, 7 octets
)

// size is the tag's length in octets.
func (t TimeTag) size() int {
	switch t {
	case CP24:
		return 3
	case CP56:
		return 7
	}
	return 0
}

// String is the standard's name of the type, such as M_SP_TB_1.
func (t TypeID) String() string {
	if n := layouts[t].name; n != "" {
		return n
	}
	return "TypeID " + strconv.Itoa(int(t))
}

// Known reports whether the codec knows the type's objects.
func (t TypeID) Known() bool { return layouts[t].element != nil }

// ElementSize is how many octets an object of the type has behind its address, time tag included: 0 if the type is not
// known, or has nothing there (C_RD_NA_1).
func (t TypeID) ElementSize() int { return layouts[t].size }

// TimeTag is the kind of time tag of the type's objects; NoTime for an unknown type.
func (t TypeID) TimeTag() TimeTag { return layouts[t].time }

// Untimed is the type that bears the same information without a time tag, as an interrogation
// answers it: M_SP_NA_1 for M_SP_TB_1. A type without such a counterpart is returned unchanged.
func (t TypeID) Untimed() TypeID {
	if !t.Known() {
		return t
	}
	return layouts[t].untimed
}

// WithCP56 is the type that bears the same information with a CP56Time2a: M_SP_TB_1 for
// M_SP_NA_1 and M_SP_TA_1. A type without such a counterpart is returned unchanged.
func (t TypeID) WithCP56() TypeID {
	if !t.Known() {
		return t
	}
	return layouts[layouts[t].untimed].cp56
}

// IsMonitor reports whether the type goes from the controlled to the controlling station (1 to 44, 70 to 99).
func (t TypeID) IsMonitor() bool { return t >= 1 && t <= 44 || t >= 70 && t <= 99 }

// IsCommand reports whether the type is a command to the process (45 to 69).
func (t TypeID) IsCommand() bool { return t >= 45 && t <= 69 }

// IsSystem reports whether the type is system information in control direction (100 to 109).
func (t TypeID) IsSystem() bool { return t >= 100 && t <= 109 }

// IsParameter reports whether the type is a parameter in control direction (110 to 119).
func (t TypeID) IsParameter() bool { return t >= 110 && t <= 119 }

// IsProtectionEvent reports whether it is an event of protection equipment: 17 to 19 and 38 to 40. Such are only ever sent
// spontaneously (101, clauses 7.3.1.17 to 19 and 30 to 32).
func (t TypeID) IsProtectionEvent() bool {
	return t >= M_EP_TA_1 && t <= M_EP_TC_1 || t >= M_EP_TD_1 && t <= M_EP_TF_1
}
