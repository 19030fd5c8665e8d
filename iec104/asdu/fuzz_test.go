package asdu_test

import (
	"bytes"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/internal/asdutest"
	"github.com/fepha/fepha/iec104/internal/oracle"
)

var (
	shanghaiTime = time.FixedZone("", 8*3600)
	fuzzTime     = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
)

// Any octets in any profile: no panic, nothing read beyond, and what is accepted is encoded
// again to the same octets, both whole and built anew from its decoded objects.
func FuzzParseASDU(f *testing.F) {
	files, err := filepath.Glob("../testdata/captures/*.pcap")
	if err != nil || len(files) == 0 {
		f.Fatal("no captures", err)
	}
	for _, file := range files {
		segments, err := oracle.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, u := range oracle.Units(segments) {
			if len(u.Frame) > 6 && u.Frame[2]&1 == 0 { // an I-frame
				f.Add(uint8(len(asdutest.Profiles)-1), u.Frame[6:])
			}
		}
	}
	for _, c := range objectOctets {
		for i, p := range asdutest.Profiles {
			a, err := p.New(asdu.Header{Type: c.typ, CommonAddress: 1}, c.want)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(i), a.Append(nil))
		}
	}
	for _, c := range fileOctets {
		f.Add(uint8(len(asdutest.Profiles)-1), asdutest.Octets(c.octets))
	}
	f.Fuzz(func(t *testing.T, profile uint8, b []byte) {
		p := asdutest.Profiles[int(profile)%len(asdutest.Profiles)]
		b = slices.Clip(slices.Clone(b)) // so that reading beyond panics
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
		if m := a.Mirror(asdu.UnknownType, true).Append(nil); len(m) != len(b) || !bytes.Equal(m[3:], b[3:]) {
			t.Fatalf("mirror of % x is % x", b, m)
		}
		_ = a.String()
		var objs []asdu.Object
		for o := range a.Objects() {
			objs = append(objs, o)
			// Neither of these may panic on octets that are no time.
			_, _ = o.Time.Time(shanghaiTime)
			_, _ = o.Time.ExpandCP24(fuzzTime, shanghaiTime)
		}
		if len(objs) != a.Len() {
			t.Fatalf("%d objects of %d", len(objs), a.Len())
		}
		if a.Type.IsFile() {
			fileAgain(t, p, a, b)
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

// fileAgain builds an ASDU of file transfer anew from what it was decoded to.
func fileAgain(t *testing.T, p asdu.Profile, a asdu.ASDU, b []byte) {
	built := []asdu.ASDU{a}
	if entries, err := a.Directory(); err == nil && a.Sequence {
		if built, err = p.NewDirectories(a.Header, entries); err != nil {
			t.Fatalf("% x: %v", b, err)
		}
	}
	if f, err := a.File(); err == nil {
		if built[0], err = p.NewFile(a.Header, f); err != nil {
			t.Fatalf("% x: %v", b, err)
		}
	}
	if again := built[0].Append(nil); len(built) != 1 || !bytes.Equal(again, b) {
		t.Fatalf("% x became % x", b, again)
	}
}
