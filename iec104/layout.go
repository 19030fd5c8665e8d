package iec104

import (
	"encoding/binary"
	"fmt"
)

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
