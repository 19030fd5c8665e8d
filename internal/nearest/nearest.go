// Package nearest finds what a mistyped word was likely meant to be.
package nearest

import "fmt"

// Of is the word that takes the fewest letters to be changed, swapped with their neighbour, added or left out, "" if all take
// more than a third of the word's.
func Of(word string, words []string) (nearest string) {
	typed := []rune(word)
	least := max(1, len(typed)/3)
	for _, w := range words {
		if d := distance(typed, []rune(w)); d > 0 && d <= least && (nearest == "" || d < least) {
			nearest, least = w, d
		}
	}
	return nearest
}

// Hint is ` (did you mean "X"?)`, or nothing.
func Hint(word string, words []string) string {
	if w := Of(word, words); w != "" {
		return fmt.Sprintf(" (did you mean %q?)", w)
	}
	return ""
}

// distance is that of Damerau and Levenshtein, of which no letter is changed twice.
func distance(a, b []rune) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
