// Package testneeds tells a test what the machine lacks: programs, rights, a kernel's abilities. Without them the test is
// skipped; where FEPHA_REQUIRE_TOOLS is set, as in the whole check, it fails, so that nothing is skipped unseen.
package testneeds

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// Program finds a program in the path, or the newest that one of the patterns matches.
func Program(t testing.TB, name string, patterns ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	for _, p := range patterns {
		if found, _ := filepath.Glob(p); len(found) > 0 {
			return slices.Max(found)
		}
	}
	Met(t, err)
	return ""
}

// Met ends the test if err says that something is missing.
func Met(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("FEPHA_REQUIRE_TOOLS") != "":
		t.Fatalf("needed and not there: %v", err)
	default:
		t.Skipf("needed and not there: %v; FEPHA_REQUIRE_TOOLS=1 makes this a failure", err)
	}
}
