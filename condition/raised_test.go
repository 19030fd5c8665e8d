package condition

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every kind is raised by some test of those who report it: a test outside of this package and of the API, which makes reports
// of its own, has its id, such as rtu.1.offline, or names it.
func TestEveryKindIsRaisedInATest(t *testing.T) {
	names := map[string]string{} // by the name in Go
	define := regexp.MustCompile(`(?s)\b([A-Z]\w+)\s+= define\(Kind\{\s*Name: "(\w+)"`)
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range sources {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range define.FindAllStringSubmatch(string(text), -1) {
			names[m[1]] = m[2]
		}
	}
	if len(names) != len(Kinds()) {
		t.Fatalf("%d kinds are found in the source, there are %d", len(names), len(Kinds()))
	}
	elsewhere := []string{"../condition", "../api", "../cmd/fepha/internal", "../web", "../docs"}
	var tests strings.Builder
	err = filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && slices.Contains(elsewhere, path) {
			return filepath.SkipDir
		}
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		tests.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for ident, name := range names {
		if !regexp.MustCompile(`\bcondition\.` + ident + `\b|\.` + name + `\b|"` + name + `"`).MatchString(tests.String()) {
			t.Errorf("%s (%s) is raised in no test", ident, name)
		}
	}
}
