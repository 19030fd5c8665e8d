package yamldoc

import (
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"
)

// panics is what the library was seen to panic on.
var panics = []string{"! 000000000000000000000", "! 0"}

type row struct {
	Name string `yaml:"name"`
}

func TestPanicsAreErrors(t *testing.T) {
	for _, text := range panics {
		var rows []row
		if err := Unmarshal([]byte(text), &rows, yaml.Strict()); err == nil {
			t.Errorf("%q is taken for YAML: %v", text, rows)
		}
	}
}

func TestDeepNestingIsRefused(t *testing.T) {
	for _, deep := range []string{"[", "{a: ", "- ", "? ", "-  ? "} {
		var v any
		if err := Unmarshal([]byte("\n"+strings.Repeat(deep, 100_000)), &v); err == nil || !strings.Contains(err.Error(), "line 2: nested") {
			t.Errorf("%q: %v", deep, err)
		}
		if _, err := Parse([]byte(strings.Repeat(deep, 100_000))); err == nil {
			t.Errorf("%q is parsed", deep)
		}
	}
	var v any
	if err := Unmarshal([]byte("a: [[[{b: [1]}]]]\nc: '[[['\nd:\n- - - x"), &v); err != nil {
		t.Error(err)
	}
}

func FuzzUnmarshal(f *testing.F) {
	for _, text := range append(panics, "- {name: a, sha256: b}", "a: &x [1, *x]", "? b\n: c", "a: !!binary x", "a: |\n  b") {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var rows []row
		_ = Unmarshal(text, &rows, yaml.Strict())
		var any any
		_ = Unmarshal(text, &any)
		_, _ = Parse(text, parser.AllowDuplicateMapKey())
	})
}
