package sim

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// testdata/tshark.pcapng is captures/iti_090813_diverse.pcap as tshark 4 writes it (-F pcapng), two.pcapng the same behind
// a file with another interface, of raw IP (mergecap -F pcapng).
func TestCapturesAsTsharkWritesThem(t *testing.T) {
	want, err := LoadCapture("captures/iti_090813_diverse.pcap")
	if err != nil {
		t.Fatal(err)
	}
	got, err := LoadCapture("testdata/tshark.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%d recordings from pcapng, %d from pcap, or others", len(got), len(want))
	}
	merged, err := LoadCapture("testdata/two.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	if len(merged) != 2*len(want) {
		t.Errorf("%d recordings of two interfaces, expected %d", len(merged), 2*len(want))
	}
}

func TestBadCapturesAreNamed(t *testing.T) {
	whole, err := os.ReadFile("testdata/tshark.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		octets []byte
		want   string
	}{
		"empty":                             {nil, "not a capture: 0 octets"},
		"text":                              {[]byte("kind;point;ioa\n"), "neither pcap nor pcapng"},
		"cut":                               {whole[:len(whole)-7], "packet "},
		"header only":                       {whole[:20], "pcapng: "},
		"length of a block beyond the file": {append(append([]byte(nil), whole[:len(whole)/2]...), bytes.Repeat([]byte{0xff}, 64)...), "packet "},
	} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, c.octets, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadCapture(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %q", name, err, c.want)
		}
	}
	path := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, captureLimit+1); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadCapture(path); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d octets: %v", captureLimit+1, err)
	}
}

// Any octets: no panic.
func FuzzReadCapture(f *testing.F) {
	whole, err := os.ReadFile("testdata/tshark.pcapng")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole[:min(len(whole), 4000)])
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = ReadCapture(bytes.NewReader(b)) })
}
