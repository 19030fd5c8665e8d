package rest

import "testing"

func TestClipKeepsCharactersWhole(t *testing.T) {
	for text, want := range map[string]string{"abc": "abc", "abcd": "abc", "ab\u00fc": "ab", "\u76d1\u63a7": "\u76d1", "": ""} {
		if got := Clip(text, 3); got != want {
			t.Errorf("Clip(%q) is %q, expected %q", text, got, want)
		}
	}
}
