package iec104

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"

	"github.com/fepha/fepha/iec104/asdu"
)

// StartOctet begins every frame.
const StartOctet = 0x68

// MaxFrame is the most octets that a frame has, start and length octet included.
const MaxFrame = 2 + maxLength

const (
	apciLength = 4   // the control field, which the length octet counts
	maxLength  = 253 // the highest value of the length octet
)

// Format is the kind of a frame (104, clause 5.1).
type Format uint8

const (
	FormatI Format = iota // numbered information transfer
	FormatS               // numbered supervisory function
	FormatU               // unnumbered control function
)

// String is the letter of the format.
func (f Format) String() string { return [...]string{"I", "S", "U"}[f%3] }

// Function is the first control octet of a U-frame.
type Function uint8

const (
	StartDTAct Function = 0x07
	StartDTCon Function = 0x0b
	StopDTAct  Function = 0x13
	StopDTCon  Function = 0x23
	TestFRAct  Function = 0x43
	TestFRCon  Function = 0x83
)

// String is the standard's name of the function.
func (f Function) String() string {
	switch f {
	case StartDTAct:
		return "STARTDT act"
	case StartDTCon:
		return "STARTDT con"
	case StopDTAct:
		return "STOPDT act"
	case StopDTCon:
		return "STOPDT con"
	case TestFRAct:
		return "TESTFR act"
	case TestFRCon:
		return "TESTFR con"
	}
	return fmt.Sprintf("function %02x", uint8(f))
}

// SequenceModulus is the number of values of a sequence number: after 32767 comes 0.
const SequenceModulus = 1 << 15

// Frame is one APDU. SendSeq is N(S), of I-frames; RecvSeq is N(R), of I- and S-frames.
type Frame struct {
	Format   Format
	SendSeq  uint16 // 0 to 32767
	RecvSeq  uint16 // 0 to 32767
	Function Function
	ASDU     []byte // of I-frames, for Profile.Parse; it aliases what the frame was parsed from
}

// ParseFrame decodes the frame at the beginning of b and says how many octets it took.
// 0 without an error asks for more octets. It does not allocate.
//
// After ErrStart or ErrFrameLength nothing in the stream can be trusted any more, and n is 0.
// With ErrControlField the frame's borders are known: f is filled in and n tells where the next begins.
func ParseFrame(b []byte) (f Frame, n int, err error) {
	if len(b) == 0 {
		return Frame{}, 0, nil
	}
	if b[0] != StartOctet {
		return Frame{}, 0, fmt.Errorf("%w but %02x", ErrStart, b[0])
	}
	if len(b) < 2 {
		return Frame{}, 0, nil
	}
	length := int(b[1])
	if length < apciLength || length > maxLength {
		return Frame{}, 0, fmt.Errorf("%w: %d, want %d to %d", ErrFrameLength, length, apciLength, maxLength)
	}
	if len(b) < 2+apciLength {
		return Frame{}, 0, nil
	}
	control := binary.LittleEndian.Uint32(b[2:])
	if control&1 != 0 && length != apciLength {
		return Frame{}, 0, fmt.Errorf("%w: %d in an S- or U-frame, want %d", ErrFrameLength, length, apciLength)
	}
	n = 2 + length
	if len(b) < n {
		return Frame{}, 0, nil
	}
	f.SendSeq, f.RecvSeq = uint16(control)>>1, uint16(control>>17)
	switch {
	case control&1 == 0:
		f.ASDU = b[2+apciLength : n : n]
		if control&(1<<16) != 0 {
			err = controlError(control, "bit 0 of N(R) to be 0")
		}
	case control&3 == 1:
		f.Format, f.SendSeq = FormatS, 0
		if control&0x1ffff != 1 {
			err = controlError(control, "01 00 and an even octet")
		}
	default:
		f = Frame{Format: FormatU, Function: Function(control)}
		if bits.OnesCount8(uint8(control)&^3) != 1 {
			err = controlError(control, "one function")
		} else if control > 0xff {
			err = controlError(control, "the last three octets to be 0")
		}
	}
	return f, n, err
}

func controlError(control uint32, want string) error {
	return fmt.Errorf("%w: % x, want %s", ErrControlField, binary.LittleEndian.AppendUint32(nil, control), want)
}

// AppendI appends an I-frame with the ASDU.
func AppendI(dst []byte, sendSeq, recvSeq uint16, a asdu.ASDU) []byte {
	dst = appendControl(dst, apciLength+a.Size(), uint32(sendSeq)<<1&0xffff|uint32(recvSeq)<<17)
	return a.Append(dst)
}

// AppendS appends an S-frame.
func AppendS(dst []byte, recvSeq uint16) []byte {
	return appendControl(dst, apciLength, 1|uint32(recvSeq)<<17)
}

// AppendU appends a U-frame.
func AppendU(dst []byte, f Function) []byte { return appendControl(dst, apciLength, uint32(f)) }

func appendControl(dst []byte, length int, control uint32) []byte {
	dst = append(dst, StartOctet, byte(length))
	return binary.LittleEndian.AppendUint32(dst, control)
}

// Explain puts one frame into one line of words, for traces. What is wrong with it is said too.
//
//	I s=77 r=20 M_SP_TB_1 spontaneous CA=3: 1300 on NT 2009-08-13 11:05:03.250, 1302 off 2009-08-13 11:05:03.251
//	I s=20 r=78 C_SC_NA_1 activation CA=3: 4501 on select
//	S r=79
//	U STARTDT act
func Explain(p asdu.Profile, frame []byte) string {
	f, n, err := ParseFrame(frame)
	var b strings.Builder
	switch {
	case n == 0 && err == nil:
		fmt.Fprintf(&b, "incomplete frame: % x", frame)
		return b.String()
	case n == 0:
		fmt.Fprintf(&b, "%v: % x", err, frame)
		return b.String()
	}
	switch f.Format {
	case FormatI:
		fmt.Fprintf(&b, "I s=%d r=%d ", f.SendSeq, f.RecvSeq)
		if a, err := p.Parse(f.ASDU); err != nil {
			fmt.Fprintf(&b, "%v: % x", err, f.ASDU)
		} else {
			b.WriteString(a.String())
		}
	case FormatS:
		fmt.Fprintf(&b, "S r=%d", f.RecvSeq)
	case FormatU:
		fmt.Fprintf(&b, "U %v", f.Function)
	}
	if err != nil {
		fmt.Fprintf(&b, " (%v)", err)
	}
	if n < len(frame) {
		fmt.Fprintf(&b, " and %d octets more", len(frame)-n)
	}
	return b.String()
}
