package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/internal/testneeds"
)

// needNamespaces skips a test where there can be no network namespaces, unless
func needNamespaces(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("real processes")
	}
	n, err := rig.NewNetwork()
	if err == nil {
		err = n.Close()
	}
	testneeds.Met(t, err)
}

// lines are what a run prints, as it comes.
type lines struct{ t *testing.T }

func (l lines) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimRight(string(b), "\n"))
	return len(b), nil
}

// run2m is how long the station is put through faults: long enough for each of
// them about twice.
const run2m = 2 * time.Minute

// A station of real processes that meets one fault after the other loses
// nothing, and no device hears of two masters. The seed is another each time:
// the machine's timing differs anyway, and that is how something new is found.
// What a failure leaves is kept.
func TestFaultsLoseNothing(t *testing.T) {
	needNamespaces(t)
	if err := rig.DisksRefused(); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "fepha-faults-")
	if err != nil {
		t.Fatal(err)
	}
	f := faultsFlags{seed: uint64(time.Now().UnixNano()) % 1_000_000, duration: run2m}
	for _, fault := range rig.Faults() {
		if !fault.Clock { // they need all of the standard library compiled anew
			f.names = append(f.names, fault.Name)
		}
	}
	f.mode, f.rate, f.lease, f.dir = "main-standby", 200, 500*time.Millisecond, filepath.Join(dir, "station")
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	if err := runFaults(ctx, f, lines{t}); err != nil {
		for _, id := range []string{"fep1", "fep2", "wit"} {
			log, _ := os.ReadFile(filepath.Join(f.dir, id+".log"))
			t.Logf("log of %s, its end:\n%s", id, log[max(0, len(log)-6000):])
		}
		t.Fatalf("%v\nlogs and data are kept in %s", err, dir)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Error(err)
	}
	// Nothing stays behind.
	if left := append(rig.Namespaces(), rig.DisksLeft()...); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestFaultsAreRefused(t *testing.T) {
	f := faultsFlags{names: []string{"kill", "earthquake"}}
	if err := runFaults(t.Context(), f, &bytes.Buffer{}); !errors.Is(err, rig.ErrUnknownFault) {
		t.Errorf("error %v, want %v", err, rig.ErrUnknownFault)
	}
	for _, fault := range []string{"earthquake", "loss-5"} {
		if err := runFailover(t.Context(), failoverFlags{fault: fault}, &bytes.Buffer{}); err == nil {
			t.Errorf("failover by %s was not refused", fault)
		}
	}
}

// The same seed brings the same faults, and all of them come before one comes
// again.
func TestDeckIsOfTheSeed(t *testing.T) {
	const lease = 500 * time.Millisecond
	draws := func(seed uint64) (text []string) {
		deck, round := newDeck(seed, rig.Faults(), lease), map[string]bool{}
		for range 3 * len(rig.Faults()) {
			fault, at, lasting := deck.draw()
			if lasting < lease/2 || lasting > 6*lease {
				t.Errorf("%s lasts %v, want 0.5 to 6 leases", fault.Name, lasting)
			}
			text = append(text, fault.Name+" "+lasting.String())
			if at != nil && !fault.Anywhere {
				t.Errorf("%s is put anywhere", fault.Name)
			}
			if round[fault.Name] {
				t.Errorf("%s comes before others had their turn", fault.Name)
			}
			if round[fault.Name] = true; len(round) == len(rig.Faults()) {
				clear(round)
			}
		}
		return text
	}
	a, b, other := strings.Join(draws(7), ","), strings.Join(draws(7), ","), strings.Join(draws(8), ",")
	if a != b {
		t.Errorf("seed 7 gave\n%s and\n%s", a, b)
	}
	if a == other {
		t.Errorf("seeds 7 and 8 gave both\n%s", a)
	}
}

func TestHistogram(t *testing.T) {
	for _, tc := range []struct {
		gaps        []float64
		width       float64
		bins        int
		first, last string
	}{
		{nil, 1, 0, "", ""},
		{[]float64{0, 3.5, 3.9}, 1, 4, "0 to 1 ms 1 " + strings.Repeat("█", 25), "3 to 4 ms 2 " + strings.Repeat("█", 50)},
		{[]float64{1000, 1010, 2900}, 100, 20, "1000 to 1100 ms 2 " + strings.Repeat("█", 50), "2900 to 3000 ms 1 " + strings.Repeat("█", 25)},
		{[]float64{443, 468, 723}, 20, 15, "440 to 460 ms 1 " + strings.Repeat("█", 50), "720 to 740 ms 1 " + strings.Repeat("█", 50)},
	} {
		h := newHistogram(tc.gaps)
		var out bytes.Buffer
		h.print(&out)
		var got []string
		for line := range strings.Lines(out.String()) {
			got = append(got, strings.Join(strings.Fields(line), " "))
		}
		if h.width != tc.width || len(got) != tc.bins || tc.bins > 0 && (got[0] != tc.first || got[len(got)-1] != tc.last) {
			t.Errorf("%v: width %v, %d bins, want %v, %d\n%s", tc.gaps, h.width, len(got), tc.width, tc.bins, out.String())
		}
		var svg bytes.Buffer
		h.svg(&svg, "gaps", map[string]float64{"p50": 430})
		if err := xml.Unmarshal(svg.Bytes(), new(struct{})); err != nil {
			t.Errorf("%v: %v\n%s", tc.gaps, err, svg.String())
		}
	}
}

func TestPercentile(t *testing.T) {
	ten := []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for p, want := range map[int]int64{50: 5, 90: 9, 99: 10, 100: 10, 1: 1} {
		if got := percentile(ten, p); got != want {
			t.Errorf("p%d of 1 to 10 is %d, want %d", p, got, want)
		}
	}
	if got := percentile([]float64(nil), 50); got != 0 {
		t.Errorf("p50 of nothing is %v", got)
	}
}
