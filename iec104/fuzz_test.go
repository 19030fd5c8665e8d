package iec104

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

var (
	shanghaiTime = time.FixedZone("", 8*3600)
	fuzzTime     = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
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
		Explain(DefaultProfile, b)
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

// Any octets in any profile: no panic, nothing read beyond, and what is accepted is encoded
// again to the same octets, both whole and built anew from its decoded objects.
func FuzzParseASDU(f *testing.F) {
	for _, file := range captures(f) {
		for _, u := range captureUnits(f, file) {
			if frame, n, _ := ParseFrame(u.Frame); n > 0 && frame.Format == FormatI {
				f.Add(uint8(len(allProfiles)-1), frame.ASDU)
			}
		}
	}
	for _, c := range objectOctets {
		for i, p := range allProfiles {
			a, err := p.New(Header{Type: c.typ, CommonAddress: 1}, c.want)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(i), a.Append(nil))
		}
	}
	f.Fuzz(func(t *testing.T, profile uint8, b []byte) {
		p := allProfiles[int(profile)%len(allProfiles)]
		b = exactly(b)
		a, err := p.Parse(b)
		if err != nil {
			if len(a.Raw()) != 0 {
				t.Fatalf("%v, and yet %v", err, a)
			}
			return
		}
		if again := a.Append(nil); !bytes.Equal(again, b) {
			t.Fatalf("% x became %v, then % x", b, a, again)
		}
		if m := a.Mirror(UnknownType, true).Append(nil); len(m) != len(b) || !bytes.Equal(m[3:], b[3:]) {
			t.Fatalf("mirror of % x is % x", b, m)
		}
		_ = a.String()
		var objs []Object
		for o := range a.Objects() {
			objs = append(objs, o)
			// Neither of these may panic on octets that are no time.
			_, _ = o.Time.Time(shanghaiTime)
			_, _ = o.Time.ExpandCP24(fuzzTime, shanghaiTime)
		}
		if len(objs) != a.Len() {
			t.Fatalf("%d objects of %d", len(objs), a.Len())
		}
		if !a.Known() {
			return
		}
		built, err := p.New(a.Header, objs...)
		if err != nil {
			t.Fatalf("% x: %v", b, err)
		}
		if again := built.Append(nil); !bytes.Equal(again, b) {
			t.Fatalf("% x became %v, then % x", b, objs, again)
		}
	})
}
