package asdu_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/internal/asdutest"
)

// Written from 101, clause 7.3.6, octet by octet.
var fileOctets = []struct {
	octets, words string
	want          asdu.File
}{
	{"78 01 0d 00 01 00 31 75 00 02 00 40 0d 03 00", "F_FR_NA_1 file transfer CA=1: 30001 NOF=2 LOF=200000 FRQ=0x00",
		asdu.File{Address: 30001, Name: 2, Length: 200000}},
	{"78 01 0d 00 01 00 31 75 00 02 00 00 00 00 80", "F_FR_NA_1 file transfer CA=1: 30001 NOF=2 LOF=0 FRQ=0x80",
		asdu.File{Address: 30001, Name: 2, Qualifier: asdu.NotReady}},
	{"79 01 0d 00 01 00 31 75 00 02 00 03 00 40 00 00", "F_SR_NA_1 file transfer CA=1: 30001 NOF=2 NOS=3 LOS=16384 SRQ=0x00",
		asdu.File{Address: 30001, Name: 2, Section: 3, Length: 16384}},
	{"7a 01 05 00 01 00 00 00 00 00 00 00 00", "F_SC_NA_1 request CA=1: 0 NOF=0 NOS=0 SCQ=0x00", asdu.File{}},
	{"7a 01 0d 00 01 00 31 75 00 02 00 03 06", "F_SC_NA_1 file transfer CA=1: 30001 NOF=2 NOS=3 SCQ=0x06",
		asdu.File{Address: 30001, Name: 2, Section: 3, Qualifier: asdu.CallSection}},
	{"7b 01 0d 00 01 00 31 75 00 02 00 03 03 fe", "F_LS_NA_1 file transfer CA=1: 30001 NOF=2 NOS=3 LSQ=3 CHS=0xfe",
		asdu.File{Address: 30001, Name: 2, Section: 3, Qualifier: asdu.SectionSent, Checksum: 0xfe}},
	{"7c 01 0d 00 01 00 31 75 00 02 00 03 24", "F_AF_NA_1 file transfer CA=1: 30001 NOF=2 NOS=3 AFQ=0x24",
		asdu.File{Address: 30001, Name: 2, Section: 3, Qualifier: asdu.SectionRefused | asdu.ChecksumFailed}},
	{"7d 01 0d 00 01 00 31 75 00 02 00 03 04 de ad be ef", "F_SG_NA_1 file transfer CA=1: 30001 NOF=2 NOS=3, 4 octets",
		asdu.File{Address: 30001, Name: 2, Section: 3, Segment: []byte{0xde, 0xad, 0xbe, 0xef}}},
	{"7f 01 05 00 01 00 31 75 00 02 00 e8 03 1e 0c 05 07 1a d0 07 1e 0c 05 07 1a",
		"F_SC_NB_1 request CA=1: 30001 NOF=2 from 2026-07-05 12:30:01.000 to 2026-07-05 12:30:02.000",
		asdu.File{Address: 30001, Name: 2, From: asdu.CP56Time2a{0xe8, 3, 0x1e, 0x0c, 5, 7, 0x1a}, To: asdu.CP56Time2a{0xd0, 7, 0x1e, 0x0c, 5, 7, 0x1a}}},
}

func TestFile(t *testing.T) {
	for _, c := range fileOctets {
		octets := asdutest.Octets(c.octets)
		a, err := asdu.DefaultProfile.Parse(octets)
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.File()
		if segment := got.Segment; err != nil || !bytes.Equal(segment, c.want.Segment) {
			t.Errorf("%s: % x, %v", c.octets, segment, err)
		}
		want := c.want
		got.Segment, want.Segment = nil, nil
		if got.Address != want.Address || got.Name != want.Name || got.Section != want.Section || got.Length != want.Length ||
			got.Qualifier != want.Qualifier || got.Checksum != want.Checksum || got.From != want.From || got.To != want.To {
			t.Errorf("%s: %+v, want %+v", c.octets, got, want)
		}
		if s := a.String(); s != c.words {
			t.Errorf("%s: %q, want %q", c.octets, s, c.words)
		}
		built, err := asdu.DefaultProfile.NewFile(a.Header, c.want)
		if err != nil || !bytes.Equal(built.Append(nil), octets) {
			t.Errorf("%s: built % x, %v", c.octets, built.Append(nil), err)
		}
		for _, p := range asdutest.Profiles { // in any profile that has the address
			h := a.Header
			b, err := p.NewFile(h, c.want)
			if err != nil {
				continue
			}
			if f, err := b.File(); err != nil || f.Name != want.Name || f.Section != want.Section || f.Length != want.Length {
				t.Errorf("%s in %v: %+v, %v", c.octets, p, f, err)
			}
		}
	}
}

func TestFileRefused(t *testing.T) {
	for _, octets := range []string{
		"78 02 0d 00 01 00 31 75 00 02 00 40 0d 03 00",       // two objects
		"78 81 0d 00 01 00 31 75 00 02 00 40 0d 03 00",       // a sequence
		"78 01 0d 00 01 00 31 75 00 02 00 40 0d 03",          // an octet too few
		"7a 01 0d 00 01 00 31 75 00 02 00 03 06 00",          // an octet too many
		"7d 01 0d 00 01 00 31 75 00 02 00 03 05 de ad be ef", // a segment shorter than it says
		"7d 01 0d 00 01 00 31 75 00 02 00 03",                // none at all
		"7f 01 05 00 01 00 31 75 00 02 00 e8 03 1e 0c 05 07 1a",
	} {
		a, err := asdu.DefaultProfile.Parse(asdutest.Octets(octets))
		if err != nil {
			t.Fatal(err)
		}
		if f, err := a.File(); !errors.Is(err, asdu.ErrCount) {
			t.Errorf("%s: %+v, %v", octets, f, err)
		}
		_ = a.String()
	}
	h := asdu.Header{Type: asdu.F_SG_NA_1, Cause: asdu.FileTransfer, CommonAddress: 1}
	for _, c := range []struct {
		f    asdu.File
		want error
	}{
		{asdu.File{Segment: make([]byte, asdu.DefaultProfile.MaxSegment()+1)}, asdu.ErrFull},
		{asdu.File{Address: 1 << 24}, asdu.ErrAddress},
		{asdu.File{Length: asdu.MaxFile + 1}, asdu.ErrValue},
	} {
		if _, err := asdu.DefaultProfile.NewFile(h, c.f); !errors.Is(err, c.want) {
			t.Errorf("%v, want %v", err, c.want)
		}
	}
	a, err := asdu.DefaultProfile.NewFile(h, asdu.File{Segment: make([]byte, asdu.DefaultProfile.MaxSegment())})
	if err != nil || a.Size() != asdu.MaxASDU {
		t.Errorf("the longest segment makes %d octets, %v", a.Size(), err)
	}
}

func TestDirectory(t *testing.T) {
	tag := asdu.CP56Time2a{0xe8, 3, 0x1e, 0x0c, 5, 7, 0x1a}
	entries := []asdu.DirectoryEntry{
		{Address: 30001, Name: 2, Length: 200000, Time: tag}, {Address: 30002, Name: 2, Length: 1, Time: tag},
		{Address: 30010, Name: 1, Length: asdu.MaxFile, Status: asdu.LastFile, Time: tag},
	}
	h := asdu.Header{Cause: asdu.Request, CommonAddress: 1}
	packed, err := asdu.DefaultProfile.NewDirectories(h, entries)
	if err != nil || len(packed) != 2 {
		t.Fatalf("%v, %v", packed, err)
	}
	want := asdutest.Octets("7e 82 05 00 01 00 31 75 00 02 00 40 0d 03 00 e8 03 1e 0c 05 07 1a 02 00 01 00 00 00 e8 03 1e 0c 05 07 1a")
	if got := packed[0].Append(nil); !bytes.Equal(got, want) {
		t.Errorf("% x", got)
	}
	if s := packed[1].String(); s != "F_DR_TA_1 request CA=1 SQ: 30010 NOF=1 LOF=16777215 SOF=0x20 2026-07-05 12:30:01.000" {
		t.Error(s)
	}
	var got []asdu.DirectoryEntry
	for _, a := range packed {
		some, err := a.Directory()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, some...)
	}
	for i := range entries {
		if i >= len(got) || got[i] != entries[i] {
			t.Errorf("%+v, want %+v", got, entries)
		}
	}
	// Each with its address, as some devices send them.
	a, err := asdu.DefaultProfile.Parse(asdutest.Octets("7e 01 03 00 01 00 31 75 00 02 00 40 0d 03 00 e8 03 1e 0c 05 07 1a"))
	if some, bad := a.Directory(); err != nil || bad != nil || some[0] != entries[0] {
		t.Errorf("%+v, %v, %v", some, err, bad)
	}
	for _, octets := range []string{"7e 80 05 00 01 00 31 75 00", "7e 82 05 00 01 00 31 75 00 02 00 40 0d 03 00 e8 03 1e 0c 05 07 1a",
		"7e 82 05 00 01 00 ff ff ff 02 00 40 0d 03 00 e8 03 1e 0c 05 07 1a 02 00 01 00 00 00 e8 03 1e 0c 05 07 1a"} {
		a, err := asdu.DefaultProfile.Parse(asdutest.Octets(octets))
		if err != nil {
			t.Fatal(err)
		}
		if d, err := a.Directory(); err == nil {
			t.Errorf("%s: %+v", octets, d)
		}
	}
	var many []asdu.DirectoryEntry
	for i := range 100 {
		many = append(many, asdu.DirectoryEntry{Address: asdu.InformationObjectAddress(i + 1), Name: 1})
	}
	if packed, err := asdu.DefaultProfile.NewDirectories(h, many); err != nil || len(packed) != 6 {
		t.Errorf("100 entries in %d ASDUs, %v", len(packed), err)
	}
}
