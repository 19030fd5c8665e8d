package iec104

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/internal/asdutest"
)

// frameString makes frames comparable and readable in a table.
func frameString(f Frame) string {
	switch f.Format {
	case FormatS:
		return fmt.Sprintf("S %d", f.RecvSeq)
	case FormatU:
		return f.Function.String()
	}
	return fmt.Sprintf("I %d %d [% x]", f.SendSeq, f.RecvSeq, f.ASDU)
}

func TestParseFrame(t *testing.T) {
	for _, c := range []struct {
		octets string
		want   string
		n      int
	}{
		{"68 04 07 00 00 00", "STARTDT act", 6},
		{"68 04 0b 00 00 00", "STARTDT con", 6},
		{"68 04 13 00 00 00", "STOPDT act", 6},
		{"68 04 23 00 00 00", "STOPDT con", 6},
		{"68 04 43 00 00 00", "TESTFR act", 6},
		{"68 04 83 00 00 00", "TESTFR con", 6},
		{"68 04 01 00 00 00", "S 0", 6},
		{"68 04 01 00 02 00", "S 1", 6},
		{"68 04 01 00 fe ff", "S 32767", 6},
		{"68 04 00 00 00 00", "I 0 0 []", 6},
		{"68 05 02 00 04 00 aa", "I 1 2 [aa]", 7},
		{"68 06 fe ff fe ff aa bb", "I 32767 32767 [aa bb]", 8},
		{"68 05 00 02 00 04 cc", "I 256 512 [cc]", 7},
	} {
		b := asdutest.Octets(c.octets)
		f, n, err := ParseFrame(b)
		if err != nil || n != c.n || frameString(f) != c.want {
			t.Errorf("%s: %s, %d octets, %v; want %s, %d", c.octets, frameString(f), n, err, c.want, c.n)
		}
		// Row 4: what follows belongs to the next frame; what is missing is waited for.
		if f, n, err := ParseFrame(append(b, 0x68, 0x04)); err != nil || n != c.n || frameString(f) != c.want {
			t.Errorf("row 4: %s and more: %s, %d octets, %v", c.octets, frameString(f), n, err)
		}
		for i := range b {
			if _, n, err := ParseFrame(b[:i]); n != 0 || err != nil {
				t.Errorf("row 4: %d octets of %s: %d taken, %v", i, c.octets, n, err)
			}
		}
	}
}

func TestRow02_StartOctet(t *testing.T) {
	for b := range 256 {
		_, n, err := ParseFrame([]byte{byte(b)})
		if want := b != 0x68; errors.Is(err, ErrStart) != want || n != 0 {
			t.Errorf("start octet %02x: %d octets taken, %v", b, n, err)
		}
	}
}

func TestRow03_Length(t *testing.T) {
	for length := range 256 {
		for name, control := range map[string]byte{"I": 0x00, "S": 0x01, "U": 0x43} {
			b := append([]byte{0x68, byte(length), control, 0, 0, 0}, make([]byte, 256)...)
			_, n, err := ParseFrame(b)
			sound := length >= 4 && length <= 253 && (name == "I" || length == 4)
			if sound && (err != nil || n != 2+length) {
				t.Errorf("%s-frame of length %d: %d octets taken, %v", name, length, n, err)
			}
			if !sound && (!errors.Is(err, ErrFrameLength) || n != 0) {
				t.Errorf("%s-frame of length %d: %d octets taken, %v", name, length, n, err)
			}
		}
	}
	// It is refused as soon as it is read: whoever sent it may send no more.
	for _, b := range [][]byte{{0x68, 3}, {0x68, 254}, {0x68, 5, 1, 0, 0, 0}} {
		if _, _, err := ParseFrame(b); !errors.Is(err, ErrFrameLength) {
			t.Errorf("% x: %v", b, err)
		}
	}
}

func TestRow05_Function(t *testing.T) {
	known := map[Function]bool{StartDTAct: true, StartDTCon: true, StopDTAct: true, StopDTCon: true, TestFRAct: true, TestFRCon: true}
	for bits := range 64 {
		b := []byte{0x68, 4, byte(bits<<2 | 3), 0, 0, 0}
		f, n, err := ParseFrame(b)
		if f.Format != FormatU || f.Function != Function(b[2]) || n != 6 {
			t.Errorf("% x: %+v, %d octets taken", b, f, n)
		}
		if known[f.Function] != (err == nil) || err != nil && !errors.Is(err, ErrControlField) {
			t.Errorf("% x: %v", b, err)
		}
	}
}

// The bits of the control field that the standard fixes at 0 (104, figures 6 to 8).
func TestReservedControlBits(t *testing.T) {
	for _, s := range []string{
		"68 04 02 00 01 00",
		"68 04 05 00 00 00", "68 04 81 00 00 00", "68 04 01 01 00 00", "68 04 01 00 01 00",
		"68 04 07 01 00 00", "68 04 07 00 01 00", "68 04 07 00 00 80",
	} {
		if _, n, err := ParseFrame(asdutest.Octets(s)); !errors.Is(err, ErrControlField) || n != 6 {
			t.Errorf("%s: %d octets taken, %v", s, n, err)
		}
	}
}

func TestFrame_RoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom(asdutest.Types).Draw(t, "type")
		a, err := asdu.DefaultProfile.New(
			asdutest.Header(asdu.DefaultProfile, typ, false).Draw(t, "header"),
			asdutest.Objects(asdu.DefaultProfile, typ, false).Draw(t, "objects")...)
		if err != nil {
			t.Fatal(err)
		}
		send := rapid.Uint16Max(SequenceModulus-1).Draw(t, "N(S)")
		recv := rapid.Uint16Max(SequenceModulus-1).Draw(t, "N(R)")
		// Appended to something, as a sender that coalesces its writes does.
		b := AppendI(AppendS([]byte{0xff}, recv), send, recv, a)
		s, n, err := ParseFrame(b[1:])
		if err != nil || s.Format != FormatS || s.RecvSeq != recv {
			t.Fatalf("%+v, %v", s, err)
		}
		f, m, err := ParseFrame(b[1+n:])
		if err != nil || 1+n+m != len(b) {
			t.Fatalf("%d of %d octets, %v", 1+n+m, len(b), err)
		}
		if f.Format != FormatI || f.SendSeq != send || f.RecvSeq != recv || !bytes.Equal(f.ASDU, a.Append(nil)) {
			t.Fatalf("%+v", f)
		}
	})
}
