package plain

import "testing"

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
