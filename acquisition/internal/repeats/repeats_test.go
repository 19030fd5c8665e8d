package repeats

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// see plays events, which are letters, and returns those that aren't taken for repeated.
func see(known, events string) string {
	var f Filter
	f.Expect(func() (all []Event) {
		for _, c := range known {
			all = append(all, Event{Point: uint32(c)})
		}
		return all
	})
	var out, waiting strings.Builder
	decide := func(repeated int) {
		out.WriteString(waiting.String()[repeated:])
		waiting.Reset()
	}
	for _, c := range events {
		hold, decided, repeated := f.See(Event{Point: uint32(c)})
		if hold {
			waiting.WriteRune(c)
		}
		if decided {
			decide(repeated)
		}
		if !hold {
			out.WriteRune(c)
		}
	}
	if f.Waiting() {
		decide(f.Decide())
	}
	return out.String()
}

func TestFilter(t *testing.T) {
	for _, c := range []struct{ what, known, events, want string }{
		{"nothing is known", "", "abc", "abc"},
		{"nothing is repeated", "abc", "def", "def"},
		{"all of it", "abc", "abc", ""},
		{"the end, then more", "abc", "bcde", "de"},
		{"the last", "abc", "cd", "d"},
		{"the last, twice", "abc", "ccd", "cd"},
		{"not up to the end", "abcd", "bcx", "bcx"},
		{"not up to the end, and nothing more", "abcd", "bc", "bc"},
		{"what was acknowledged before, and happens again", "ab", "ax", "ax"},
		{"the longest end counts", "abab", "ababc", "c"},
		{"a shorter end, since the longer isn't it", "aba", "ax", "x"},
		{"a shorter end, since nothing more comes", "aba", "a", ""},
		{"once only", "abc", "cxc", "xc"},
		{"others come first", "abc", "xbc", "xbc"},
	} {
		if got := see(c.known, c.events); got != c.want {
			t.Errorf("%s: after %q %q gives %q, want %q", c.what, c.known, c.events, got, c.want)
		}
	}
}

// A device with tags that don't come twice, which repeats from any event on after any part was committed: each event comes once. Whatever
// it sends, nothing is dropped but a beginning that the journal ends with.
func TestFilterKeepsAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 60).Draw(t, "events")
		all := make([]rune, n)
		for i := range all {
			all[i] = rune('A' + i)
		}
		committed := rapid.IntRange(0, n).Draw(t, "committed")
		acknowledged := rapid.IntRange(0, committed).Draw(t, "acknowledged")
		from := rapid.IntRange(0, acknowledged).Draw(t, "journal has from")
		if got := see(string(all[from:committed]), string(all[acknowledged:])); got != string(all[committed:]) {
			t.Fatalf("committed %d, acknowledged %d of %d: %q", committed, acknowledged, n, got)
		}
		letters := rapid.StringMatching("[ab]{0,8}")
		known, events := letters.Draw(t, "known"), letters.Draw(t, "anything")
		got := see(known, events)
		dropped, ok := strings.CutSuffix(events, got)
		if !ok || !strings.HasSuffix(known, dropped) {
			t.Fatalf("after %q %q gives %q", known, events, got)
		}
	})
}
