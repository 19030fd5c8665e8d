package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/cmd/internal/rig"
)

// needNamespaces skips a test where there can be no network namespaces, unless
// FEPHA_REQUIRE_TOOLS says that nothing may be skipped.
func needNamespaces(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("real processes")
	}
	n, err := rig.NewNetwork()
	if err == nil {
		err = n.Close()
	}
	if err != nil && os.Getenv("FEPHA_REQUIRE_TOOLS") == "" {
		t.Skipf("%v; FEPHA_REQUIRE_TOOLS=1 makes this a failure", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// lines are what a run prints, as it comes.
type lines struct{ t *testing.T }

func (l lines) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimRight(string(b), "\n"))
	return len(b), nil
}

// A station of real processes that meets one fault after the other loses
// nothing, and no device hears of two masters. The seed is another each time:
// the machine's timing differs anyway.
func TestFaultsLoseNothing(t *testing.T) {
	needNamespaces(t)
	f := faultsFlags{seed: uint64(time.Now().UnixNano()) % 1_000_000, duration: 40 * time.Second}
	f.mode, f.rate, f.lease, f.dir = "main-standby", 200, 500*time.Millisecond, filepath.Join(t.TempDir(), "station")
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	if err := runFaults(ctx, f, lines{t}); err != nil {
		for _, id := range []string{"fep1", "fep2", "wit"} {
			log, _ := os.ReadFile(filepath.Join(f.dir, id+".log"))
			t.Logf("log of %s, its end:\n%s", id, log[max(0, len(log)-6000):])
		}
		t.Fatal(err)
	}
	// Nothing stays behind.
	if left := rig.Namespaces(); len(left) > 0 {
		t.Errorf("namespaces that are left: %v", left)
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

// The same seed brings the same faults.
func TestDrawIsOfTheSeed(t *testing.T) {
	draws := func(seed uint64) (text []string) {
		rng := newRand(seed)
		for range 50 {
			fault, at, lasting := draw(rng, rig.Faults(), 500*time.Millisecond)
			if lasting < 250*time.Millisecond || lasting > 3*time.Second {
				t.Errorf("%s lasts %v, want 0.5 to 6 leases", fault.Name, lasting)
			}
			text = append(text, fault.Name+" "+lasting.String())
			if at != nil && !fault.Anywhere {
				t.Errorf("%s is put anywhere", fault.Name)
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
