package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Hostile neighbours beside them cost the good ones nothing, and the nodes neither memory nor log, in a short run: docs/SECURITY.md has
// the figures of a long one.
func TestHostileNeighboursTakeNothing(t *testing.T) {
	needNamespaces(t)
	dir, err := os.MkdirTemp("", "fepha-hostile-")
	if err != nil {
		t.Fatal(err)
	}
	f := faultsFlags{seed: uint64(time.Now().UnixNano()) % 1_000_000, duration: 30 * time.Second, names: []string{"kill", "cut", "transfer"}, hostile: true}
	f.mode, f.rate, f.lease, f.dir = "main-standby", 200, 500*time.Millisecond, filepath.Join(dir, "station")
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	if err := runFaults(ctx, f, lines{t}); err != nil {
		t.Fatalf("%v\nlogs and data are kept in %s", err, dir)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Error(err)
	}
}

// What a node takes too much of is told with its bound; what it may take is not.
func TestBoundsOfASiege(t *testing.T) {
	for _, tc := range []struct {
		took borne
		want []string
	}{
		{borne{"fep1", memoryBound, logBound}, nil},
		{borne{"fep1", memoryBound + 1, logBound}, []string{"fep1 had ", "resident"}},
		{borne{"wit", memoryBound, logBound + 1}, []string{"the log of wit grew by"}},
	} {
		err := tc.took.judge()
		if (err != nil) != (tc.want != nil) {
			t.Errorf("%+v: %v, want %q", tc.took, err, tc.want)
		}
		for _, words := range tc.want {
			if err != nil && !strings.Contains(err.Error(), words) {
				t.Errorf("%+v: %v, want %q", tc.took, err, words)
			}
		}
	}
}
