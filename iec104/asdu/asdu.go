package asdu

import (
	"fmt"
	"iter"
)

// Header is the data unit identifier of an ASDU (101, clause 7.1), but for the number of objects.
type Header struct {
	Type          TypeID
	Sequence      bool // SQ: only the first object has an address on the wire, the others follow it
	Cause         CauseOfTransmission
	Negative      bool  // P/N
	Test          bool  // T: this must not act on the process
	Originator    uint8 // 0 if unused; not on the wire if the cause has one octet
	CommonAddress CommonAddress
}

// ASDU is one application service data unit. It keeps its objects as octets and decodes them
// when asked, so that a mirror or a relay leaves every bit unchanged.
//
// Cause, Negative, Test, Originator and CommonAddress may be altered; Type and Sequence say how
// the octets are to be read and must be left alone.
//
// An ASDU from Parse, NewRaw or a Builder aliases its caller's octets: Clone it to keep it.
type ASDU struct {
	Header
	sizes sizes
	count uint8
	body  []byte // from the first object address on
}

// Parse decodes the header of an ASDU and checks that its length fits the number of objects
// and that no address runs past its field. Objects of an unknown type are taken as they are.
// It does not allocate, and the ASDU aliases b. Errors wrap ErrProfile, ErrASDULength,
// ErrCount or ErrAddress.
func (p Profile) Parse(b []byte) (ASDU, error) {
	if err := p.Validate(); err != nil {
		return ASDU{}, err
	}
	s := p.sizes()
	if len(b) < s.header() || len(b) > MaxASDU {
		return ASDU{}, fmt.Errorf("%w: %d octets, want %d to %d", ErrASDULength, len(b), s.header(), MaxASDU)
	}
	a := ASDU{sizes: s, count: b[1] & 0x7f, body: b[s.header():]}
	a.Type = TypeID(b[0])
	a.Sequence = b[1]&0x80 != 0
	a.Cause = CauseOfTransmission(b[2] & 0x3f)
	a.Negative = b[2]&0x40 != 0
	a.Test = b[2]&0x80 != 0
	i := 3
	if s.cot == 2 {
		a.Originator = b[3]
		i = 4
	}
	a.CommonAddress = CommonAddress(b[i])
	if s.ca == 2 {
		a.CommonAddress |= CommonAddress(b[i+1]) << 8
	} else if b[i] == 0xff {
		a.CommonAddress = BroadcastAddress
	}
	if err := a.check(); err != nil {
		return ASDU{}, err
	}
	return a, nil
}

// check makes sure that every object of a known type lies in the body and has an address.
func (a *ASDU) check() error {
	l := &layouts[a.Type]
	if l.element == nil {
		return nil
	}
	if a.count == 0 {
		return fmt.Errorf("%w: %v with no object", ErrCount, a.Type)
	}
	n, ioa := int(a.count), int(a.sizes.ioa)
	want := n * (ioa + l.size)
	if a.Sequence {
		want = ioa + n*l.size
	}
	if len(a.body) != want {
		return fmt.Errorf("%w: %v with %d objects has %d octets of them, want %d", ErrCount, a.Type, n, len(a.body), want)
	}
	if a.Sequence {
		if first := a.address(0); first+InformationObjectAddress(n)-1 > a.sizes.maxAddress() {
			return fmt.Errorf("%w: sequence of %d from %d, the last is %d", ErrAddress, n, first, a.sizes.maxAddress())
		}
	}
	return nil
}

// New builds an ASDU of a known type with the objects in the order given. If h.Sequence is set,
// their addresses must be consecutive. Errors wrap ErrProfile, ErrHeader, ErrUnknownType,
// ErrCount, ErrAddress, ErrNotConsecutive, ErrValue or ErrFull; see Pack to split.
func (p Profile) New(h Header, objs ...Object) (ASDU, error) {
	var b Builder
	if err := b.Reset(p, h); err != nil {
		return ASDU{}, err
	}
	for _, o := range objs {
		if err := b.Add(o); err != nil {
			return ASDU{}, err
		}
	}
	if len(objs) == 0 {
		return ASDU{}, fmt.Errorf("%w: %v with no object", ErrCount, h.Type)
	}
	return b.ASDU().Clone(), nil
}

// NewRaw builds an ASDU of any type from the octets of its objects, which it aliases. If the
// type is known they are checked as in Parse.
func (p Profile) NewRaw(h Header, count int, body []byte) (ASDU, error) {
	if err := p.Validate(); err != nil {
		return ASDU{}, err
	}
	if err := h.check(p); err != nil {
		return ASDU{}, err
	}
	if count < 0 || count > MaxObjects {
		return ASDU{}, fmt.Errorf("%w: %d objects, want at most %d", ErrCount, count, MaxObjects)
	}
	a := ASDU{Header: h, sizes: p.sizes(), count: uint8(count), body: body}
	if a.Size() > MaxASDU {
		return ASDU{}, fmt.Errorf("%w: %d octets, want at most %d", ErrASDULength, a.Size(), MaxASDU)
	}
	if err := a.check(); err != nil {
		return ASDU{}, err
	}
	return a, nil
}

// check returns an error if a field does not fit its size in p.
func (h Header) check(p Profile) error {
	switch {
	case h.Cause > 63:
		return fmt.Errorf("%w: cause %d, want 0 to 63", ErrHeader, h.Cause)
	case p.CauseSize == 1 && h.Originator != 0:
		return fmt.Errorf("%w: originator %d, but a cause of one octet bears none", ErrHeader, h.Originator)
	case p.CommonAddressSize == 1 && h.CommonAddress >= 0xff && h.CommonAddress != BroadcastAddress:
		return fmt.Errorf("%w: common address %d, want at most 254 in one octet", ErrHeader, h.CommonAddress)
	}
	return nil
}

// Known reports whether the objects can be decoded.
func (a ASDU) Known() bool { return a.Type.Known() }

// Count is the number of objects that the header states, whether or not their type is known.
func (a ASDU) Count() int { return int(a.count) }

// Len is the number of objects that Object decodes: 0 if the type is not known.
func (a ASDU) Len() int {
	if !a.Known() {
		return 0
	}
	return int(a.count)
}

// Raw is the objects' octets as on the wire, addresses included. They must not be altered.
func (a ASDU) Raw() []byte { return a.body }

// Profile is the profile that the ASDU was parsed or built with.
func (a ASDU) Profile() Profile {
	return Profile{int(a.sizes.cot), int(a.sizes.ca), int(a.sizes.ioa)}
}

// Size is the number of octets that Append adds: at most 249.
func (a ASDU) Size() int { return a.sizes.header() + len(a.body) }

// address reads the object address at an offset of the body.
func (a *ASDU) address(offset int) InformationObjectAddress {
	b := a.body[offset : offset+int(a.sizes.ioa)]
	addr := InformationObjectAddress(b[0])
	if len(b) > 1 {
		addr |= InformationObjectAddress(b[1]) << 8
	}
	if len(b) > 2 {
		addr |= InformationObjectAddress(b[2]) << 16
	}
	return addr
}

// Object decodes the i-th object, from 0 to Len()-1; like a slice, it panics beyond. It does not allocate.
func (a ASDU) Object(i int) Object {
	if uint(i) >= uint(a.Len()) {
		panic(fmt.Sprintf("iec104: object %d of %d of %v", i, a.Len(), a.Type))
	}
	return a.object(&layouts[a.Type], i)
}

// object decodes the i-th object, which must be there, as l lays it out.
func (a *ASDU) object(l *layout, i int) (o Object) {
	ioa := int(a.sizes.ioa)
	offset := ioa
	if a.Sequence {
		o.Address = a.address(0) + InformationObjectAddress(i)
		offset += i * l.size
	} else {
		o.Address = a.address(i * (ioa + l.size))
		offset += i * (ioa + l.size)
	}
	l.decode(a.body[offset:offset+l.size], &o)
	return o
}

// Objects yields the decoded objects in order, without allocating.
func (a ASDU) Objects() iter.Seq[Object] {
	return func(yield func(Object) bool) {
		l := &layouts[a.Type]
		for i := range a.Len() {
			if !yield(a.object(l, i)) {
				return
			}
		}
	}
}

// Append encodes the ASDU after dst: at most 249 octets more.
func (a ASDU) Append(dst []byte) []byte {
	vsq := a.count
	if a.Sequence {
		vsq |= 0x80
	}
	cot := byte(a.Cause & 0x3f)
	if a.Negative {
		cot |= 0x40
	}
	if a.Test {
		cot |= 0x80
	}
	dst = append(dst, byte(a.Type), vsq, cot)
	if a.sizes.cot == 2 {
		dst = append(dst, a.Originator)
	}
	dst = append(dst, byte(a.CommonAddress))
	if a.sizes.ca == 2 {
		dst = append(dst, byte(a.CommonAddress>>8))
	}
	return append(dst, a.body...)
}

// Mirror is the ASDU sent back with another cause and P/N; originator, T bit, addresses and
// elements are unchanged. It aliases the same octets.
func (a ASDU) Mirror(cause CauseOfTransmission, negative bool) ASDU {
	a.Cause, a.Negative = cause, negative
	return a
}

// Clone is a copy that shares no octets with a.
func (a ASDU) Clone() ASDU {
	a.body = append([]byte(nil), a.body...)
	return a
}
