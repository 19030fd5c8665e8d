package cli

import "fmt"

// Dash shows what is empty.
func Dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// YesNo is what a person reads of b.
func YesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// Count is a number with its noun, "1 node", "3 nodes".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
