package asdu

import (
	"encoding/binary"
	"fmt"
)

// File transfer (101, clause 7.3.6; 104, clause 7.3.6 for F_SC_NB_1). Their objects are no [Object]: see [File] and [DirectoryEntry].
const (
	F_FR_NA_1 TypeID = 120 // file ready
	F_SR_NA_1 TypeID = 121 // section ready
	F_SC_NA_1 TypeID = 122 // call directory, select file, call file, call section
	F_LS_NA_1 TypeID = 123 // last section, last segment
	F_AF_NA_1 TypeID = 124 // acknowledge file, acknowledge section
	F_SG_NA_1 TypeID = 125 // segment
	F_DR_TA_1 TypeID = 126 // directory
	F_SC_NB_1 TypeID = 127 // query log, request archive file
)

// Bits and values of File.Qualifier.
const (
	NotReady = 0x80 // of FRQ and SRQ: the file or section is not ready (101, clauses 7.2.6.28 and 29)

	// SCQ, the low four bits (101, clause 7.2.6.30).
	SelectFile        uint8 = 1
	CallFile          uint8 = 2
	DeactivateFile    uint8 = 3
	DeleteFile        uint8 = 4
	SelectSection     uint8 = 5
	CallSection       uint8 = 6
	DeactivateSection uint8 = 7

	// The high four bits of SCQ and AFQ: what went wrong.
	NoMemory          uint8 = 1 << 4
	ChecksumFailed    uint8 = 2 << 4
	UnexpectedService uint8 = 3 << 4
	UnexpectedFile    uint8 = 4 << 4
	UnexpectedSection uint8 = 5 << 4

	// LSQ (101, clause 7.2.6.31).
	FileSent           uint8 = 1
	FileDeactivated    uint8 = 2
	SectionSent        uint8 = 3
	SectionDeactivated uint8 = 4

	// AFQ, the low four bits (101, clause 7.2.6.32).
	FileTaken      uint8 = 1
	FileRefused    uint8 = 2
	SectionTaken   uint8 = 3
	SectionRefused uint8 = 4

	// Bits of DirectoryEntry.Status, SOF (101, clause 7.2.6.38).
	LastFile   uint8 = 1 << 5 // of the directory
	Subfolder  uint8 = 1 << 6 // the name is a directory's
	FileActive uint8 = 1 << 7 // it's being transferred
)

// Names of files (101, clause 7.2.6.33): what a file has, not which one it is. That is told by the object address too.
const (
	TransparentFile  uint16 = 1
	DisturbanceData  uint16 = 2 // of protection equipment
	EventSequence    uint16 = 3
	RecordedAnalogue uint16 = 4
)

// MaxFile is the greatest length of a file or section: LOF and LOS have three octets.
const MaxFile = 1<<24 - 1

// File is the object of an ASDU of types 120 to 125 and 127. Fields that a type does not have are zero when decoded and
// ignored when encoded.
type File struct {
	Address   InformationObjectAddress
	Name      uint16 // NOF
	Section   uint8  // NOS, from 1; types 121 to 125
	Length    uint32 // LOF of 120, LOS of 121, octets, at most MaxFile
	Qualifier uint8  // FRQ, SRQ, SCQ, LSQ, AFQ; types 120 to 124
	Checksum  uint8  // CHS of 123: the sum of all octets of the section or the file, modulo 256
	Segment   []byte // of 125, at most MaxSegment octets; decoded it aliases the ASDU
	From, To  CP56Time2a
}

// Checksum goes on with a sum of octets modulo 256 (101, clause 7.2.6.37).
func Checksum(sum uint8, octets []byte) uint8 {
	for _, b := range octets {
		sum += b
	}
	return sum
}

// IsFile reports whether the type belongs to file transfer (120 to 127).
func (t TypeID) IsFile() bool { return t >= F_FR_NA_1 && t <= F_SC_NB_1 }

// MaxSegment is how many octets of a file fit into one ASDU.
func (p Profile) MaxSegment() int {
	s := p.sizes()
	return MaxASDU - s.header() - int(s.ioa) - 4 // NOF, NOS, LOS
}

// fileSize is how many octets an object of a file type has behind its address, but for a segment.
func fileSize(t TypeID) int {
	switch t {
	case F_FR_NA_1:
		return 2 + 3 + 1
	case F_LS_NA_1:
		return 2 + 1 + 1 + 1
	case F_SR_NA_1:
		return 2 + 1 + 3 + 1
	case F_SC_NA_1, F_AF_NA_1, F_SG_NA_1:
		return 2 + 1 + 1
	case F_SC_NB_1:
		return 2 + 7 + 7
	}
	return 0
}

// NewFile builds an ASDU of type 120 to 125 or 127. Errors wrap ErrProfile, ErrHeader, ErrUnknownType, ErrAddress, ErrValue or ErrFull.
func (p Profile) NewFile(h Header, f File) (ASDU, error) {
	size := fileSize(h.Type)
	if size == 0 {
		return ASDU{}, fmt.Errorf("%w: %v has no file object", ErrUnknownType, h.Type)
	}
	if err := p.Validate(); err != nil {
		return ASDU{}, err
	}
	s := p.sizes()
	switch {
	case f.Address > s.maxAddress():
		return ASDU{}, fmt.Errorf("%w: %d, want at most %d in %d octets", ErrAddress, f.Address, s.maxAddress(), s.ioa)
	case f.Length > MaxFile:
		return ASDU{}, fmt.Errorf("%w: length %d of file %d.%d, want at most %d", ErrValue, f.Length, f.Address, f.Name, MaxFile)
	case len(f.Segment) > p.MaxSegment():
		return ASDU{}, fmt.Errorf("%w: a segment of %d octets, want at most %d", ErrFull, len(f.Segment), p.MaxSegment())
	}
	b := make([]byte, 0, int(s.ioa)+size+len(f.Segment))
	b = appendAddress(b, f.Address, s)
	b = binary.LittleEndian.AppendUint16(b, f.Name)
	switch h.Type {
	case F_FR_NA_1:
		b = append(append24(b, f.Length), f.Qualifier)
	case F_SR_NA_1:
		b = append(append24(append(b, f.Section), f.Length), f.Qualifier)
	case F_SC_NA_1, F_AF_NA_1:
		b = append(b, f.Section, f.Qualifier)
	case F_LS_NA_1:
		b = append(b, f.Section, f.Qualifier, f.Checksum)
	case F_SG_NA_1:
		b = append(append(b, f.Section, byte(len(f.Segment))), f.Segment...)
	case F_SC_NB_1:
		b = append(append(b, f.From[:]...), f.To[:]...)
	}
	h.Sequence = false
	return p.NewRaw(h, 1, b)
}

// File decodes the object of an ASDU of type 120 to 125 or 127. Errors wrap ErrUnknownType or ErrCount.
func (a ASDU) File() (f File, err error) {
	size := fileSize(a.Type)
	if size == 0 {
		return f, fmt.Errorf("%w: %v has no file object", ErrUnknownType, a.Type)
	}
	b, ioa := a.body, int(a.sizes.ioa)
	if a.count != 1 || a.Sequence || len(b) < ioa+size || a.Type != F_SG_NA_1 && len(b) != ioa+size {
		return f, fmt.Errorf("%w: %v with %d objects has %d octets of them, want one of %d", ErrCount, a.Type, a.count, len(b), ioa+size)
	}
	f.Address = a.address(0)
	b = b[ioa:]
	f.Name = binary.LittleEndian.Uint16(b)
	b = b[2:]
	switch a.Type {
	case F_FR_NA_1:
		f.Length, f.Qualifier = uint24(b), b[3]
	case F_SR_NA_1:
		f.Section, f.Length, f.Qualifier = b[0], uint24(b[1:]), b[4]
	case F_SC_NA_1, F_AF_NA_1:
		f.Section, f.Qualifier = b[0], b[1]
	case F_LS_NA_1:
		f.Section, f.Qualifier, f.Checksum = b[0], b[1], b[2]
	case F_SG_NA_1:
		f.Section, f.Segment = b[0], b[2:]
		if int(b[1]) != len(f.Segment) {
			return File{}, fmt.Errorf("%w: a segment of %d octets says that it has %d", ErrCount, len(f.Segment), b[1])
		}
	case F_SC_NB_1:
		f.From, f.To = CP56Time2a(b), CP56Time2a(b[7:])
	}
	return f, nil
}

// DirectoryEntry is one file of a directory, F_DR_TA_1 (101, clause 7.3.6.7).
type DirectoryEntry struct {
	Address InformationObjectAddress
	Name    uint16     // NOF
	Length  uint32     // LOF, octets, at most MaxFile
	Status  uint8      // SOF
	Time    CP56Time2a // when it was created
}

// entrySize is what an entry has behind its address: NOF, LOF, SOF, CP56Time2a.
const entrySize = 2 + 3 + 1 + 7

// NewDirectories builds as many ASDUs of type 126 as the entries need, in their order: those with consecutive addresses share one
// as a sequence. Errors wrap ErrProfile, ErrHeader, ErrAddress or ErrValue.
func (p Profile) NewDirectories(h Header, entries []DirectoryEntry) (packed []ASDU, err error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	h.Type, h.Sequence = F_DR_TA_1, true
	s := p.sizes()
	most := (MaxASDU - s.header() - int(s.ioa)) / entrySize
	for len(entries) > 0 {
		n := 1
		for n < len(entries) && n < most && entries[n].Address == entries[n-1].Address+1 {
			n++
		}
		if last := entries[n-1].Address; last > s.maxAddress() {
			return nil, fmt.Errorf("%w: %d, want at most %d in %d octets", ErrAddress, last, s.maxAddress(), s.ioa)
		}
		b := appendAddress(make([]byte, 0, int(s.ioa)+n*entrySize), entries[0].Address, s)
		for _, e := range entries[:n] {
			if e.Length > MaxFile {
				return nil, fmt.Errorf("%w: length %d of file %d.%d, want at most %d", ErrValue, e.Length, e.Address, e.Name, MaxFile)
			}
			b = binary.LittleEndian.AppendUint16(b, e.Name)
			b = append(append(append24(b, e.Length), e.Status), e.Time[:]...)
		}
		a, err := p.NewRaw(h, n, b)
		if err != nil {
			return nil, err
		}
		packed, entries = append(packed, a), entries[n:]
	}
	return packed, nil
}

// Directory decodes the entries of an ASDU of type 126, as a sequence or each with its address. Errors wrap ErrUnknownType, ErrCount or
// ErrAddress.
func (a ASDU) Directory() (entries []DirectoryEntry, err error) {
	if a.Type != F_DR_TA_1 {
		return nil, fmt.Errorf("%w: %v is no directory", ErrUnknownType, a.Type)
	}
	n, ioa := int(a.count), int(a.sizes.ioa)
	want, step := n*(ioa+entrySize), ioa+entrySize
	if a.Sequence {
		want, step = ioa+n*entrySize, entrySize
	}
	if n == 0 || len(a.body) != want {
		return nil, fmt.Errorf("%w: %v with %d entries has %d octets of them, want %d and one entry at least", ErrCount, a.Type, n, len(a.body), want)
	}
	for i := range n {
		e := DirectoryEntry{Address: a.address(0) + InformationObjectAddress(i)}
		if !a.Sequence {
			e.Address = a.address(i * step)
		}
		if e.Address > a.sizes.maxAddress() {
			return nil, fmt.Errorf("%w: sequence of %d from %d", ErrAddress, n, a.address(0))
		}
		b := a.body[ioa+i*step:]
		e.Name, e.Length, e.Status, e.Time = binary.LittleEndian.Uint16(b), uint24(b[2:]), b[5], CP56Time2a(b[6:])
		entries = append(entries, e)
	}
	return entries, nil
}

func appendAddress(b []byte, a InformationObjectAddress, s sizes) []byte {
	for i := range int(s.ioa) {
		b = append(b, byte(a>>(8*i)))
	}
	return b
}

func append24(b []byte, v uint32) []byte { return append(b, byte(v), byte(v>>8), byte(v>>16)) }

func uint24(b []byte) uint32 { return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 }
