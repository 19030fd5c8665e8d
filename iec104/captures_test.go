package iec104

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/internal/oracle"
	"github.com/fepha/fepha/internal/testneeds"
)

var update = flag.Bool("update", false, "write the golden files in testdata/captures anew")

// captures are the recorded files; testdata/captures/SOURCES.md says where they come from.
func captures(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/captures/*.pcap")
	if err != nil || len(files) != 4 {
		t.Fatalf("%d captures, want 4 (%v)", len(files), err)
	}
	return files
}

func captureUnits(t testing.TB, file string) []oracle.Unit {
	t.Helper()
	segments, err := oracle.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var units []oracle.Unit
	for _, u := range oracle.Units(segments) {
		if u.From.Port() == 2404 || u.To.Port() == 2404 {
			units = append(units, u)
		}
	}
	if len(units) == 0 {
		t.Fatalf("%s: no frames", file)
	}
	return units
}

// Every recorded frame, malformed ones included, decodes as tshark decodes it.
func TestOracle_Captures(t *testing.T) {
	testneeds.Program(t, "tshark") // the second decoder
	for _, file := range captures(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			theirs, err := oracle.Dissect(context.Background(), file)
			if err != nil {
				t.Fatal(err)
			}
			compareUnits(t, asdu.DefaultProfile, captureUnits(t, file), theirs)
		})
	}
}

// The words for every recorded frame are those that were read and compared with tshark before,
// so that the decoding is checked without tshark too.
func TestCaptures_Golden(t *testing.T) {
	for _, file := range captures(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			var b strings.Builder
			for _, u := range captureUnits(t, file) {
				arrow := "->"
				if u.From.Port() == 2404 {
					arrow = "<-"
				}
				fmt.Fprintf(&b, "%d %s ", u.Packet, arrow)
				if len(u.Prefix) > 0 {
					fmt.Fprintf(&b, "[% x] ", u.Prefix)
				}
				fmt.Fprintln(&b, Explain(asdu.DefaultProfile, u.Frame))
			}
			golden := strings.TrimSuffix(file, ".pcap") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			got, wanted := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
			if len(got) != len(wanted) {
				t.Errorf("%d lines, want %d", len(got), len(wanted))
			}
			for i := range min(len(got), len(wanted)) {
				if got[i] != wanted[i] {
					t.Errorf("%s:%d\n got %s\nwant %s", golden, i+1, got[i], wanted[i])
				}
			}
		})
	}
}

// Row 4: a recorded stream gives the same frames however TCP cuts it.
func TestRow04_CutStreams(t *testing.T) {
	for _, file := range captures(t) {
		var stream []byte
		var want []string
		for _, u := range captureUnits(t, file) {
			if f, n, err := ParseFrame(u.Frame); n > 0 && err == nil {
				stream = append(stream, u.Frame...)
				want = append(want, fmt.Sprintf("%+v", f))
			}
		}
		for _, size := range []int{1, 2, 3, 5, 7, 64, 1460, len(stream)} {
			var got []string
			var pending []byte
			for rest := stream; len(rest) > 0; {
				cut := min(size, len(rest))
				pending, rest = append(pending, rest[:cut]...), rest[cut:]
				for {
					f, n, err := ParseFrame(pending)
					if err != nil {
						t.Fatalf("%s in pieces of %d: %v", file, size, err)
					}
					if n == 0 {
						break
					}
					got = append(got, fmt.Sprintf("%+v", f))
					pending = pending[n:]
				}
			}
			if len(pending) > 0 || strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("%s in pieces of %d: %d frames and %d octets over, want %d", file, size, len(got), len(pending), len(want))
			}
		}
	}
}
