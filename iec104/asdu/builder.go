package asdu

import "fmt"

// Builder packs objects into an ASDU without allocating. The zero Builder is to be Reset
// before use; one Builder serves any number of ASDUs, one after the other.
type Builder struct {
	asdu ASDU
	next InformationObjectAddress // that a sequence goes on with
	n    int                      // octets of buf in use
	buf  [MaxASDU]byte
}

// Reset begins an empty ASDU. What ASDU returned before becomes invalid.
// Errors wrap ErrProfile, ErrHeader or ErrUnknownType.
func (b *Builder) Reset(p Profile, h Header) error {
	if err := p.Validate(); err != nil {
		return err
	}
	if err := h.check(p); err != nil {
		return err
	}
	if !h.Type.Known() {
		return fmt.Errorf("%w: %d", ErrUnknownType, h.Type)
	}
	b.asdu = ASDU{Header: h, sizes: p.sizes()}
	b.n = 0
	return nil
}

// Len is the number of objects added since Reset.
func (b *Builder) Len() int { return int(b.asdu.count) }

// Add appends an object. An error leaves the ASDU as it was: ErrFull and, in a sequence,
// ErrNotConsecutive ask for a new one; ErrAddress and ErrValue concern the object.
func (b *Builder) Add(o Object) error {
	l, s := &layouts[b.asdu.Type], b.asdu.sizes
	if l.element == nil {
		return fmt.Errorf("%w: Builder was not Reset", ErrUnknownType)
	}
	if o.Address > s.maxAddress() {
		return fmt.Errorf("%w: %d, want at most %d in %d octets", ErrAddress, o.Address, s.maxAddress(), s.ioa)
	}
	withAddress := !b.asdu.Sequence || b.asdu.count == 0
	if !withAddress && o.Address != b.next {
		return ErrNotConsecutive
	}
	start, end := b.n, b.n+l.size
	if withAddress {
		start, end = start+int(s.ioa), end+int(s.ioa)
	}
	if b.asdu.count == MaxObjects || s.header()+end > MaxASDU {
		return ErrFull
	}
	if err := l.encode(b.buf[start:end], &o); err != nil {
		return err
	}
	if withAddress {
		for i := range int(s.ioa) {
			b.buf[b.n+i] = byte(o.Address >> (8 * i))
		}
	}
	b.n, b.next = end, o.Address+1
	b.asdu.count++
	return nil
}

// ASDU is what was added. It aliases the Builder's buffer and is valid until Reset.
func (b *Builder) ASDU() ASDU {
	a := b.asdu
	a.body = b.buf[:b.n:b.n]
	return a
}

// Pack builds as many ASDUs as the objects need, each as full as it gets, in the order given.
// With h.Sequence a gap in the addresses also begins a new one.
func (p Profile) Pack(h Header, objs ...Object) ([]ASDU, error) {
	var b Builder
	if err := b.Reset(p, h); err != nil {
		return nil, err
	}
	var packed []ASDU
	for _, o := range objs {
		err := b.Add(o)
		if err == ErrFull || err == ErrNotConsecutive {
			packed = append(packed, b.ASDU().Clone())
			if err = b.Reset(p, h); err == nil {
				err = b.Add(o)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	if b.Len() > 0 {
		packed = append(packed, b.ASDU().Clone())
	}
	return packed, nil
}
