package points

// What the state has to know of IEC 60870-5-101, whose package it doesn't import; a test holds it against that package.

// Bits of the quality octet (7.2.6.1 and 7.2.6.3) that the state itself sets.
const (
	QualityBlocked     = 0x10 // BL of SIQ, DIQ and QDS
	QualitySubstituted = 0x20 // SB
	QualityNotTopical  = 0x40 // NT
	QualityInvalid     = 0x80 // IV of all of them and of BCR
)

// SubstitutedTime is RES1 of a CP56Time2a (7.2.6.18), first octet in the lowest byte: the time isn't the device's.
const SubstitutedTime = 0x40 << 16

// QualityElapsed is EI of QDP (7.2.6.4): the elapsed time is invalid.
const QualityElapsed = 0x08

// NotTopicalBit is the quality bit that says "not topical" for a value of this TypeID. A binary counter reading has
// no NT: there the same bit means "adjusted" (7.2.6.9), so the reading is marked invalid.
func NotTopicalBit(typeID uint8) uint8 {
	switch typeID {
	case 15, 16, 37: // M_IT_NA_1, M_IT_TA_1, M_IT_TB_1
		return QualityInvalid
	}
	return QualityNotTopical
}

// TypeSinglePoint is M_SP_TB_1, as what virtual points are reported.
const TypeSinglePoint = 30

// comparableState is the state of a single point as that of a double one (IEC 60870-5-101, 7.2.6.1, 7.2.6.2, 7.2.6.10).
func comparableState(typeID uint8, v float64) float64 {
	switch typeID {
	case 1, 2, 30:
		return v + 1
	}
	return v
}

// protectionEvent tells the types of protection equipment.
func protectionEvent(typeID uint8) bool {
	return typeID >= 17 && typeID <= 19 || typeID >= 38 && typeID <= 40
}
