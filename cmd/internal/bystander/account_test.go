package bystander

import (
	"strings"
	"testing"
	"time"
)

// An account is good with what it wants often enough, and nothing that may never happen.
func TestAccount(t *testing.T) {
	begun := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name string
		do   func(a *Account)
		want []string // words of the error; none: no error
	}{
		{"got it in time", func(a *Account) { a.got("x", begun.Add(Patience)); a.end(begun.Add(2 * Patience)) }, nil},
		{"never got it", func(a *Account) { a.did("failed"); a.end(begun.Add(time.Second)) }, []string{"never got", "failed:1"}},
		{"left without at first", func(a *Account) { a.got("x", begun.Add(Patience+time.Second)) }, []string{"left without for 31s"}},
		{"left without at the end", func(a *Account) { a.got("x", begun); a.end(begun.Add(Patience + time.Second)) }, []string{"left without for 31s"}},
		{"left without between", func(a *Account) {
			a.got("x", begun)
			a.got("x", begun.Add(Patience+time.Second))
			a.got("x", begun.Add(Patience+2*time.Second))
		}, []string{"left without for 31s"}},
		{"what never may happen", func(a *Account) { a.got("x", begun); a.never("thing %d", 7) }, []string{"somebody: thing 7"}},
		{"much of it", func(a *Account) {
			a.got("x", begun)
			for i := range maxWrongs + 2 {
				a.never("thing %d", i)
			}
		}, []string{"thing 0", "thing 4", "and 2 more"}},
	} {
		a := newAccount("somebody", begun)
		tc.do(a)
		err := a.Judge()
		if (err != nil) != (tc.want != nil) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
		for _, words := range tc.want {
			if err != nil && !strings.Contains(err.Error(), words) {
				t.Errorf("%s: %v, want %q", tc.name, err, words)
			}
		}
	}
}
