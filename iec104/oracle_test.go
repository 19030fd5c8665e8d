package iec104

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/internal/asdutest"
	"github.com/fepha/fepha/iec104/internal/oracle"
	"github.com/fepha/fepha/internal/testneeds"
)

// tsharkShowsRaw are the types whose objects tshark does not decode.
var tsharkShowsRaw = []asdu.TypeID{
	asdu.M_EP_TA_1, asdu.M_EP_TB_1, asdu.M_EP_TC_1, asdu.M_PS_NA_1, asdu.M_EP_TD_1, asdu.M_EP_TE_1, asdu.M_EP_TF_1,
	asdu.C_RD_NA_1, asdu.C_TS_NA_1, asdu.C_CD_NA_1, asdu.C_TS_TA_1, asdu.P_AC_NA_1,
}

// Frames of every type, both forms of addressing, with any bits in their elements and time
// tags: tshark finds nothing malformed and sees the same as we do.
func TestOracle_GeneratedFrames(t *testing.T) {
	testneeds.Program(t, "tshark") // the second decoder
	var segments []oracle.Segment
	add := func(frame []byte) {
		segments = append(segments, oracle.Segment{
			At: time.Unix(int64(len(segments)), 0), From: oracle.Controlled, To: oracle.Controlling, Data: frame,
		})
	}
	for _, f := range []Function{StartDTAct, StartDTCon, StopDTAct, StopDTCon, TestFRAct, TestFRCon} {
		add(AppendU(nil, f))
	}
	for seed, typ := range asdutest.Types {
		add(AppendS(nil, uint16(seed*577)))
		for i := range 6 {
			sequence := i%2 == 1
			h := asdutest.Header(asdu.DefaultProfile, typ, sequence).Example(10*seed + i)
			objs := asdutest.Objects(asdu.DefaultProfile, typ, sequence).Example(10*seed + i)
			a, err := asdu.DefaultProfile.New(h, objs...)
			if err != nil {
				t.Fatal(err)
			}
			add(AppendI(nil, uint16(seed*1000+i), uint16(seed*500+i), a))
		}
	}
	checkTraffic(t, asdu.DefaultProfile, segments)
}

// Row 58: the same with every combination of field sizes.
func TestRow58_OracleProfiles(t *testing.T) {
	testneeds.Program(t, "tshark") // the second decoder
	for _, p := range asdutest.Profiles {
		t.Run(fmt.Sprintf("%+v", p), func(t *testing.T) {
			var asdus []asdu.ASDU
			var wire [][]byte
			for seed, typ := range asdutest.Types {
				// tshark takes the address of a raw type for 3 octets, and any object of fewer for cut off.
				if slices.Contains(tsharkShowsRaw, typ) || p.ObjectAddressSize+typ.ElementSize() < 3 {
					continue
				}
				for i := range 2 {
					sequence := i%2 == 1
					objs := asdutest.Objects(p, typ, sequence).Example(seed + i)
					a, err := p.New(asdutest.Header(p, typ, sequence).Example(seed+i), objs[:min(len(objs), 5)]...)
					if err != nil {
						t.Fatal(err)
					}
					asdus = append(asdus, a)
					wire = append(wire, a.Append(nil))
				}
			}
			theirs, err := oracle.Dissect101(context.Background(), filepath.Join(t.TempDir(), "asdus.pcap"), wire,
				p.CauseSize, p.CommonAddressSize, p.ObjectAddressSize)
			if err != nil {
				t.Fatal(err)
			}
			if len(theirs) != len(asdus) {
				t.Fatalf("tshark sees %d ASDUs of %d", len(theirs), len(asdus))
			}
			for i, a := range asdus {
				if len(theirs[i].Malformed) > 0 {
					t.Errorf("%v: tshark finds malformed: %v", a, theirs[i].Malformed)
				}
				for _, diff := range diffASDU(a, theirs[i]) {
					t.Errorf("%v: %s", a, diff)
				}
			}
		})
	}
}

// checkTraffic has tshark decode the segments and fails for everything malformed and for every
// difference from what this package decodes. Each end must send whole frames from the beginning.
func checkTraffic(t testing.TB, p asdu.Profile, segments []oracle.Segment) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "traffic.pcap")
	if err := oracle.WriteFile(path, segments); err != nil {
		t.Fatal(err)
	}
	theirs, err := oracle.Dissect(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range segments {
		segments[i].Packet = i + 1
	}
	units := oracle.Units(segments)
	compareUnits(t, p, units, theirs)
	for i, u := range units {
		if len(u.Prefix) > 0 {
			t.Errorf("packet %d: % x belongs to no frame", u.Packet, u.Prefix)
		}
		if i < len(theirs) && len(theirs[i].Malformed) > 0 {
			t.Errorf("packet %d: tshark finds malformed: %v\n\t%s", u.Packet, theirs[i].Malformed, Explain(p, u.Frame))
		}
		if f, _, err := ParseFrame(u.Frame); err != nil {
			t.Errorf("packet %d: %v", u.Packet, err)
		} else if f.Format == FormatI {
			if _, err := p.Parse(f.ASDU); err != nil {
				t.Errorf("packet %d: %v", u.Packet, err)
			}
		}
	}
}

// compareUnits compares what tshark and this package make of the same units, sound or not.
func compareUnits(t testing.TB, p asdu.Profile, units []oracle.Unit, theirs []oracle.APDU) {
	t.Helper()
	for i := range max(len(units), len(theirs)) {
		switch {
		case i >= len(units):
			t.Errorf("tshark sees one more in packet %d: %+v", theirs[i].Packet, theirs[i])
		case i >= len(theirs):
			t.Errorf("tshark does not see packet %d: % x", units[i].Packet, units[i].Frame)
		default:
			for _, diff := range diffUnit(p, units[i], theirs[i]) {
				t.Errorf("packet %d: %s\n\t% x: %s", units[i].Packet, diff, units[i].Frame, Explain(p, units[i].Frame))
			}
		}
	}
}

func diffUnit(p asdu.Profile, u oracle.Unit, theirs oracle.APDU) (diffs []string) {
	differ := func(what string, ours, theirs any) {
		if ours != theirs {
			diffs = append(diffs, fmt.Sprintf("%s is %v, tshark says %v", what, ours, theirs))
		}
	}
	differ("packet", u.Packet, theirs.Packet)
	if !bytes.Equal(u.Prefix, theirs.Prefix) {
		differ("prefix", fmt.Sprintf("% x", u.Prefix), fmt.Sprintf("% x", theirs.Prefix))
	}
	if u.Frame == nil {
		differ("length octet", -1, theirs.Length)
		return diffs
	}
	differ("length octet", int(u.Frame[1]), theirs.Length)

	f, n, err := ParseFrame(u.Frame)
	switch {
	case errors.Is(err, ErrFrameLength):
		// tshark objects to lengths below 4 alone; it takes S- and U-frames of any other length.
		if theirs.Length >= apciLength && theirs.Length <= maxLength && theirs.Format == "I" {
			diffs = append(diffs, fmt.Sprintf("refused: %v, but tshark sees an I-frame", err))
		}
		if theirs.Length < apciLength && len(theirs.Malformed) == 0 {
			diffs = append(diffs, "a length below 4 that tshark does not complain about")
		}
		return diffs
	case errors.Is(err, ErrControlField):
		// tshark does not look at reserved bits, and shows any function.
		if f.Format == FormatU && bits.OnesCount(uint(theirs.Function)) == 1 && u.Frame[3]|u.Frame[4]|u.Frame[5] == 0 {
			diffs = append(diffs, fmt.Sprintf("refused: %v, but tshark sees one function %02x", err, theirs.Function))
		}
	case err != nil || n != len(u.Frame):
		diffs = append(diffs, fmt.Sprintf("%d octets taken, error %v", n, err))
		return diffs
	}
	differ("format", f.Format.String(), theirs.Format)
	switch f.Format {
	case FormatI:
		differ("N(S)", int(f.SendSeq), theirs.Tx)
		differ("N(R)", int(f.RecvSeq), theirs.Rx)
	case FormatS:
		differ("N(R)", int(f.RecvSeq), theirs.Rx)
	case FormatU:
		differ("function", int(f.Function)>>2, theirs.Function)
	}
	if f.Format != FormatI {
		differ("malformed", 0, len(theirs.Malformed))
		return diffs
	}
	a, err := p.Parse(f.ASDU)
	if (err != nil) != (len(theirs.Malformed) > 0) {
		return append(diffs, fmt.Sprintf("error %v, tshark says %v", err, theirs.Malformed))
	}
	if err == nil {
		diffs = append(diffs, diffASDU(a, theirs.ASDU)...)
	}
	return diffs
}

func diffASDU(a asdu.ASDU, theirs *oracle.ASDU) (diffs []string) {
	differ := func(what string, ours, theirs any) {
		if ours != theirs {
			diffs = append(diffs, fmt.Sprintf("%s is %v, tshark says %v", what, ours, theirs))
		}
	}
	if theirs == nil {
		return []string{"tshark sees no ASDU"}
	}
	address, originator := int(a.CommonAddress), int(a.Originator)
	if a.Profile().CommonAddressSize == 1 && a.CommonAddress == asdu.BroadcastAddress {
		address = 255
	}
	if a.Profile().CauseSize == 1 {
		originator = -1
	}
	differ("type", int(a.Type), theirs.TypeID)
	differ("number of objects", a.Count(), theirs.Count)
	differ("SQ", a.Sequence, theirs.Sequence)
	differ("cause", int(a.Cause), theirs.Cause)
	differ("P/N", a.Negative, theirs.Negative)
	differ("T", a.Test, theirs.Test)
	differ("originator", originator, theirs.Originator)
	differ("common address", address, theirs.Address)
	if !a.Known() || slices.Contains(tsharkShowsRaw, a.Type) {
		differ("first address", int(addressOf(a)), theirs.RawAddress)
		if rest := a.Raw()[a.Profile().ObjectAddressSize:]; !bytes.Equal(rest, theirs.Raw) {
			differ("octets", fmt.Sprintf("% x", rest), fmt.Sprintf("% x", theirs.Raw))
		}
		return diffs
	}
	if a.Len() != len(theirs.Objects) {
		return append(diffs, fmt.Sprintf("%d objects, tshark shows %d", a.Len(), len(theirs.Objects)))
	}
	for i := range a.Len() {
		o, shown := a.Object(i), theirs.Objects[i].Fields
		want := tsharkFields(a.Type, o)
		for name, w := range want {
			if got, ok := shown[name]; !ok || !sameField(w, got.Show) {
				diffs = append(diffs, fmt.Sprintf("object %d: %s is %s, tshark says %+v", i, name, w, got))
			}
		}
		for name, f := range shown {
			if _, ok := want[name]; !ok && name != "cp56time" && name != "cp24time" {
				diffs = append(diffs, fmt.Sprintf("object %d: tshark also shows %s = %s", i, name, f.Show))
			}
		}
	}
	return diffs
}

// sameField takes a fraction for equal if it is to the six digits that tshark prints.
func sameField(ours, theirs string) bool {
	if ours == theirs {
		return true
	}
	a, err1 := strconv.ParseFloat(ours, 64)
	b, err2 := strconv.ParseFloat(strings.Replace(theirs, "-nan", "nan", 1), 64)
	if err1 != nil || err2 != nil {
		return false
	}
	return math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-5*math.Abs(a)
}

// tsharkFields is what tshark should show for an object.
func tsharkFields(typ asdu.TypeID, o asdu.Object) map[string]string {
	f := map[string]string{"ioa": fmt.Sprint(o.Address)}
	number := func(name string, v any) { f[name] = fmt.Sprint(v) }
	octet := func(name string, b uint8) { f[name] = fmt.Sprintf("0x%02x", b) }
	flags := func(prefix string, b uint8, names map[string]uint8) {
		for name, bit := range names {
			number(prefix+name, min(b&bit, 1))
		}
	}
	quality := map[string]uint8{"bl": asdu.BL, "sb": asdu.SB, "nt": asdu.NT, "iv": asdu.IV}
	qds := func() {
		octet("qds", o.Quality)
		flags("qds.", o.Quality, quality)
		flags("qds.", o.Quality, map[string]uint8{"ov": asdu.OV})
	}
	command := func(name, state string) {
		b := uint8(o.Value) | o.Qualifier
		octet(name, b)
		number(name+"."+state, o.Value)
		number(name+".qu", o.Qualifier>>2&0x1f)
		flags(name+".", b, map[string]uint8{"se": asdu.SelectBit})
	}
	qos := func() {
		octet("qos", o.Qualifier)
		number("qos.ql", o.Qualifier&0x7f)
		flags("qos.", o.Qualifier, map[string]uint8{"se": asdu.SelectBit})
	}
	qpm := func() {
		octet("qpm", o.Qualifier)
		number("qpm.kpa", o.Qualifier&0x3f)
		flags("qpm.", o.Qualifier, map[string]uint8{"lpc": 0x40, "pop": 0x80})
	}
	// tshark prints the octets of a bitstring as they come, though bit 1 is in the first of them.
	bitstring := func() { f["bitstring"] = fmt.Sprintf("0x%08x", bits.ReverseBytes32(uint32(o.Value))) }

	switch typ.Untimed() {
	case asdu.M_SP_NA_1:
		octet("siq", uint8(o.Value)|o.Quality)
		number("siq.spi", o.Value)
		flags("siq.", o.Quality, quality)
	case asdu.M_DP_NA_1:
		octet("diq", uint8(o.Value)|o.Quality)
		number("diq.dpi", o.Value)
		flags("diq.", o.Quality, quality)
	case asdu.M_ST_NA_1:
		octet("vti", uint8(int8(o.Value))&0x7f|o.Qualifier)
		number("vti.v", o.Value)
		flags("vti.", o.Qualifier, map[string]uint8{"t": asdu.TransientBit})
		qds()
	case asdu.M_BO_NA_1:
		bitstring()
		qds()
	case asdu.M_ME_NA_1:
		number("normval", o.Value)
		qds()
	case asdu.M_ME_ND_1:
		number("normval", o.Value)
	case asdu.M_ME_NB_1:
		number("scalval", o.Value)
		qds()
	case asdu.M_ME_NC_1:
		number("float", o.Value)
		qds()
	case asdu.M_IT_NA_1:
		number("bcr.count", int32(o.Value))
		number("bcr.sq", o.Quality&asdu.CounterSequence)
		flags("bcr.", o.Quality, map[string]uint8{"cy": asdu.CY, "ca": asdu.CA, "iv": asdu.IV})
	case asdu.C_SC_NA_1:
		command("sco", "on")
	case asdu.C_DC_NA_1:
		command("dco", "on")
	case asdu.C_RC_NA_1:
		command("rco", "up")
	case asdu.C_SE_NA_1:
		number("normval", o.Value)
		qos()
	case asdu.C_SE_NB_1:
		number("scalval", o.Value)
		qos()
	case asdu.C_SE_NC_1:
		number("float", o.Value)
		qos()
	case asdu.C_BO_NA_1:
		bitstring()
	case asdu.M_EI_NA_1:
		octet("coi", o.Qualifier)
		number("coi_r", o.Qualifier&0x7f)
		flags("coi_", o.Qualifier, map[string]uint8{"i": asdu.COIChanged})
	case asdu.C_IC_NA_1:
		number("qoi", o.Qualifier)
	case asdu.C_CI_NA_1:
		octet("qcc", o.Qualifier)
		number("rqt", o.Qualifier&0x3f)
		number("frz", o.Qualifier>>6)
	case asdu.C_CS_NA_1:
	case asdu.C_RP_NA_1:
		number("qrp", o.Qualifier)
	case asdu.P_ME_NA_1:
		number("normval", o.Value)
		qpm()
	case asdu.P_ME_NB_1:
		number("scalval", o.Value)
		qpm()
	case asdu.P_ME_NC_1:
		number("float", o.Value)
		qpm()
	}

	switch b := o.Time; typ.TimeTag() {
	case asdu.CP24:
		number("cp24time.ms", int(b[0])|int(b[1])<<8)
		number("cp24time.min", int(b[2]&0x3f))
		flags("cp24time.", b[2], map[string]uint8{"iv": 0x80})
	case asdu.CP56:
		number("cp56time.ms", int(b[0])|int(b[1])<<8)
		number("cp56time.min", int(b[2]&0x3f))
		number("cp56time.hour", int(b[3]&0x1f))
		number("cp56time.day", int(b[4]&0x1f))
		number("cp56time.dow", b[4]>>5)
		number("cp56time.month", int(b[5]&0x0f))
		number("cp56time.year", b[6]&0x7f)
		flags("cp56time.", b[2], map[string]uint8{"gen": 0x40, "iv": 0x80})
		flags("cp56time.", b[3], map[string]uint8{"su": 0x80})
		// With SU tshark takes an hour off even where there is no summer time.
		if at, err := b.Time(time.UTC); err == nil && !b.SummerTime() {
			f["cp56time"] = at.Format("Jan _2, 2006 15:04:05.000000000 UTC")
		}
	}
	return f
}

// addressOf is the first object address of an ASDU whose objects are not decoded.
func addressOf(a asdu.ASDU) (address asdu.InformationObjectAddress) {
	for i := range a.Profile().ObjectAddressSize {
		address |= asdu.InformationObjectAddress(a.Raw()[i]) << (8 * i)
	}
	return address
}
