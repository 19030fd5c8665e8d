package asdu

import "fmt"

// CommonAddress names a station, or a part of one (101, clause 7.2.4). 0 is not used.
// BroadcastAddress stands for every station whatever the size of the field: with one octet,
// 255 on the wire is decoded as BroadcastAddress.
type CommonAddress uint16

// BroadcastAddress is the common address of all stations.
const BroadcastAddress CommonAddress = 65535

// InformationObjectAddress names an information object of a station: 0 to 2^24-1 (101, clause 7.2.5).
// 0 is used where the address has no meaning, as in an interrogation.
type InformationObjectAddress uint32

// MaxASDU is the most octets that an ASDU has (104, clause 5).
const MaxASDU = 249

// MaxObjects is the most information objects that an ASDU holds (101, clause 7.2.2).
const MaxObjects = 127

// Profile holds the field sizes, in octets, that both ends of a link have agreed on. They are
// system parameters of 101; 104 fixes them at 2, 2 and 3, but devices with others exist.
type Profile struct {
	CauseSize         int // 1, or 2 with an originator address
	CommonAddressSize int // 1 or 2
	ObjectAddressSize int // 1, 2 or 3
}

// DefaultProfile has the sizes that 104 prescribes.
var DefaultProfile = Profile{CauseSize: 2, CommonAddressSize: 2, ObjectAddressSize: 3}

// Validate returns an error that wraps ErrProfile and names the size that is not allowed.
func (p Profile) Validate() error {
	switch {
	case p.CauseSize < 1 || p.CauseSize > 2:
		return fmt.Errorf("%w: cause of transmission of %d octets, want 1 or 2", ErrProfile, p.CauseSize)
	case p.CommonAddressSize < 1 || p.CommonAddressSize > 2:
		return fmt.Errorf("%w: common address of %d octets, want 1 or 2", ErrProfile, p.CommonAddressSize)
	case p.ObjectAddressSize < 1 || p.ObjectAddressSize > 3:
		return fmt.Errorf("%w: object address of %d octets, want 1 to 3", ErrProfile, p.ObjectAddressSize)
	}
	return nil
}

// sizes is a valid Profile in the form that every ASDU carries along.
type sizes struct{ cot, ca, ioa uint8 }

func (p Profile) sizes() sizes {
	return sizes{uint8(p.CauseSize), uint8(p.CommonAddressSize), uint8(p.ObjectAddressSize)}
}

// header is the number of octets before the first information object.
func (s sizes) header() int { return 2 + int(s.cot) + int(s.ca) }

// maxAddress is the highest object address that the field holds.
func (s sizes) maxAddress() InformationObjectAddress { return 1<<(8*s.ioa) - 1 }
