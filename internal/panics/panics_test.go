package panics

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestPanicsAreKeptCountedAndToldOnce(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	var nothing *struct{ n int }
	here := func() { defer Keep(log, "test"); _ = nothing.n }
	there := func() (err error) { defer Err(log, "test", &err); panic("there") }
	before := Counts()["test"]
	for range 3 {
		here()
		if err := there(); err == nil || !strings.Contains(err.Error(), "test: panic: there") {
			t.Errorf("as an error: %v", err)
		}
	}
	if n := Counts()["test"] - before; n != 6 {
		t.Errorf("counted %d of 6", n)
	}
	if n := strings.Count(out.String(), "level=ERROR"); n != 2 {
		t.Errorf("told %d times, want once for each of two places:\n%s", n, out.String())
	}
	if !strings.Contains(out.String(), "panics_test.go:14") {
		t.Errorf("doesn't say where:\n%s", out.String())
	}
	if err := func() (err error) { defer Err(log, "test", &err); return nil }(); err != nil {
		t.Error(err)
	}
}
