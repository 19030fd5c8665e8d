package asdu

// Bits of Object.Quality. OV, BL, SB, NT and IV are those of the quality descriptor QDS
// (101, clause 7.2.6.3) and, but for OV, also of SIQ and DIQ; EI is that of QDP; CY and CA
// are those of a binary counter reading, whose low five bits are its sequence number.
const (
	OV = 0x01 // overflow
	EI = 0x08 // elapsed time invalid
	BL = 0x10 // blocked
	SB = 0x20 // substituted
	NT = 0x40 // not topical
	IV = 0x80 // invalid

	CY              = 0x20 // counter overflowed in the integration period
	CA              = 0x40 // counter was adjusted since the last reading
	CounterSequence = 0x1f
)

// Bits and values of Object.Qualifier.
const (
	SelectBit    = 0x80 // S/E of a command: 1 select, 0 execute (101, clause 7.2.6.26 and 39)
	TransientBit = 0x80 // of a step position: the equipment is on its way

	QOIStation uint8 = 20 // interrogation of the whole station
	QOIGroup1  uint8 = 21
	QOIGroup16 uint8 = 36

	RQTGroup1  uint8 = 1 // counter interrogation: group 1 to 4
	RQTGroup4  uint8 = 4
	RQTGeneral uint8 = 5 // all counters
	// FRZ, the upper two bits of a counter interrogation's qualifier.
	FreezeRead      uint8 = 0 << 6
	Freeze          uint8 = 1 << 6
	FreezeWithReset uint8 = 2 << 6
	CounterReset    uint8 = 3 << 6

	QRPProcess uint8 = 1 // reset of the whole process
	QRPEvents  uint8 = 2 // reset of the pending time-tagged information

	COIPowerOn     uint8 = 0
	COIManualReset uint8 = 1
	COIRemoteReset uint8 = 2
	COIChanged     uint8 = 0x80 // initialization after a change of local parameters
)

// TestPattern is the value of a C_TS_NA_1: the fixed test bit pattern FBP.
const TestPattern = 0x55aa

// Object is one information object of any type, as a plain value. Fields that a type does not
// have are zero when decoded and ignored when encoded, so an event's Object also answers an
// interrogation in the type without time tag.
type Object struct {
	Address InformationObjectAddress
	// Elapsed is the relay duration or operating time of protection equipment (types 17 to 19
	// and 38 to 40) and the delay of C_CD_NA_1, in milliseconds.
	Elapsed uint16
	// Quality has the quality bits at their place in the octet, reserved ones included: QDS, QDP,
	// the counter's sequence octet, or SIQ, DIQ and SEP without the bits of the value.
	Quality uint8
	// Qualifier has the other bits at their place in the octet: QOS, QOI, QCC, QRP, COI, QPM, QPA,
	// SCO, DCO and RCO without the bits of the state, or the transient bit of a step position.
	Qualifier uint8
	// Value is the state or value: SPI and SCS 0 or 1; DPI, DCS, RCS and the event state 0 to 3;
	// a step position -64 to 63; a normalized value -1 to 1-2^-15; a scaled value -32768 to 32767;
	// a short float as it is, NaN bits included; a counter as int32; bitstrings, packed single points (ST in the
	// low, CD in the high 16 bits), packed start events and output circuits, FBP and TSC as unsigned integers.
	Value float64
	// Time is the time tag as on the wire; a CP24Time2a fills the first three octets.
	Time CP56Time2a
}

// Select reports whether the S/E bit of a command is 1.
func (o Object) Select() bool { return o.Qualifier&SelectBit != 0 }
