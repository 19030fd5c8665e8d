package asdu

import "errors"

// What the codec refuses. Errors returned by this package wrap one of these and name the
// value and the bound that it broke, so test with errors.Is.
var (
	// ErrProfile: a field size that the standard does not know.
	ErrProfile = errors.New("iec104: bad profile")
	// ErrASDULength: an ASDU is shorter than its own header, or longer than 249 octets.
	ErrASDULength = errors.New("iec104: ASDU length out of range")
	// ErrCount: the number of objects and the length of an ASDU disagree, or there is no object.
	ErrCount = errors.New("iec104: number of objects does not fit the ASDU")
	// ErrAddress: an object address that does not fit its field, or runs past it in a sequence.
	ErrAddress = errors.New("iec104: object address out of range")
	// ErrHeader: a cause, originator or common address that does not fit its field.
	ErrHeader = errors.New("iec104: header field out of range")
	// ErrUnknownType: the TypeID has no layout here; such an ASDU can only be handled raw.
	ErrUnknownType = errors.New("iec104: unknown TypeID")
	// ErrValue: a value outside the range of its information element.
	ErrValue = errors.New("iec104: value out of range")
	// ErrFull: one more object would make the ASDU longer than 249 octets or give it more than 127 objects.
	ErrFull = errors.New("iec104: full")
	// ErrNotConsecutive: an object of a sequence does not have the address after the one before.
	ErrNotConsecutive = errors.New("iec104: address is not the next one of the sequence")

	// ErrTime: a time tag that names no instant, such as minute 61 or 30 February.
	ErrTime = errors.New("iec104: not a time")
)
