package access

import (
	"strings"
	"testing"
)

// FuzzTokens reads whatever a file of tokens may hold.
func FuzzTokens(f *testing.F) {
	f.Add([]byte("- {name: bob, sha256: " + strings.Repeat("ab", 32) + ", role: admin}"))
	f.Add([]byte("! 000000000000000000000"))
	f.Add([]byte("- {name: bob, sha256: ab, role: admin}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		tokens, err := parseTokens(text)
		for _, token := range tokens {
			if err != nil || token.name == "" {
				t.Errorf("%+v, %v", token, err)
			}
		}
	})
}
