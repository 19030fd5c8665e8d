package plain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"110 kV incomer": "110 kV incomer", "进线 101": "进线 101", "a\nb\tc": "a\nb\tc", "": "", "a\u00a0b": "a\u00a0b",
		"a\x1b[2Jb": `a\x1b[2Jb`, "a\rb": `a\rb`, "bell\a": `bell\a`, "\u202eabc": `\u202eabc`, "a\xffb": `a\xffb`, "\u009b2J": `\u009b2J`, "\ufffd": "\ufffd",
	} {
		if got := Text(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// All that turns text around, joins it or takes no room is written out: nobody reads it as something else.
func TestFormatCharacters(t *testing.T) {
	for _, r := range "\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff\u2028\u2029\U000e0041" {
		want := fmt.Sprintf(`a\u%04xb`, r)
		if r > 0xffff {
			want = fmt.Sprintf(`a\U%08xb`, r)
		}
		if got := Text("a" + string(r) + "b"); got != want {
			t.Errorf("%U is %q, want %q", r, got, want)
		}
		if got := JSON([]byte(`"` + string(r) + `"`)); bytes.ContainsRune(got, r) {
			t.Errorf("%U is raw in JSON", r)
		}
	}
}

// A text that is one line stays one.
func TestLine(t *testing.T) {
	if got := Line("x\nAll is well\t\r\u2028y"); got != `x\nAll is well\t\r\u2028y` {
		t.Errorf("%q", got)
	}
}

// What JSON leaves raw arrives as it was, and harms no terminal on the way.
func TestJSON(t *testing.T) {
	for _, text := range []string{"plain", "进线 101", "\x1b[2J", "\u009b2J", "\u202eabc", "\x7f", "\U000e0041", "a\nb"} {
		var b bytes.Buffer
		if err := json.NewEncoder(JSONWriter(&b)).Encode(text); err != nil {
			t.Fatal(err)
		}
		var got string
		if err := json.Unmarshal(b.Bytes(), &got); err != nil || got != text {
			t.Errorf("%q is %q: %v", b.Bytes(), got, err)
		}
		if bytes.ContainsFunc(b.Bytes(), odd) {
			t.Errorf("%q is raw", b.Bytes())
		}
	}
}

func TestDeceptive(t *testing.T) {
	for text, want := range map[string]bool{
		"110 kV incomer": false, "进线\n101": false, "a\u200db": false, "\ue000": false, "": false,
		"a\x1bb": true, "a\x7fb": true, "\u009b2J": true, "\u202eabc": true, "\u2066abc": true,
	} {
		if Deceptive(text) != want {
			t.Errorf("%q: got %v", text, !want)
		}
	}
}
