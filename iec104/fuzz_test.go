package iec104

import (
	"bytes"
	"errors"
	"testing"

	"github.com/fepha/fepha/iec104/asdu"
)

// exactly is a copy of b whose capacity ends with it, so that reading beyond panics.
func exactly(b []byte) []byte {
	c := make([]byte, len(b))
	copy(c, b)
	return c
}

// Any octets: no panic, nothing read beyond the frame, and what is accepted is encoded again
// to the same octets.
func FuzzParseFrame(f *testing.F) {
	for _, file := range captures(f) {
		for _, u := range captureUnits(f, file) {
			f.Add(append(u.Prefix, u.Frame...))
			f.Add(u.Frame)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = exactly(b)
		frame, n, err := ParseFrame(b)
		Explain(asdu.DefaultProfile, b)
		if n < 0 || n > len(b) || n > MaxFrame {
			t.Fatalf("%d octets taken of %d", n, len(b))
		}
		if err != nil {
			if (n > 0) != errors.Is(err, ErrControlField) {
				t.Fatalf("%d octets taken, %v", n, err)
			}
			return
		}
		if n == 0 {
			if len(b) >= MaxFrame {
				t.Fatalf("no frame in %d octets, and no error", len(b))
			}
			return
		}
		var again []byte
		switch frame.Format {
		case FormatI:
			again = appendControl(nil, apciLength+len(frame.ASDU), uint32(frame.SendSeq)<<1|uint32(frame.RecvSeq)<<17)
			again = append(again, frame.ASDU...)
		case FormatS:
			again = AppendS(nil, frame.RecvSeq)
		case FormatU:
			again = AppendU(nil, frame.Function)
		}
		if !bytes.Equal(again, b[:n]) {
			t.Fatalf("% x became %+v, then % x", b[:n], frame, again)
		}
		// The octets after the frame do not matter, and without its last one it is not there.
		if _, m, err := ParseFrame(exactly(b[:n])); m != n || err != nil {
			t.Fatalf("% x alone: %d octets taken, %v", b[:n], m, err)
		}
		if _, m, err := ParseFrame(exactly(b[:n-1])); m != 0 || err != nil {
			t.Fatalf("% x: %d octets taken, %v", b[:n-1], m, err)
		}
	})
}
