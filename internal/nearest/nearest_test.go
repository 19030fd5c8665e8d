package nearest

import "testing"

func TestOf(t *testing.T) {
	words := []string{"number", "common_address", "channels", "prefer", "clock_sync", "tls", "role", "off"}
	for word, want := range map[string]string{
		"common_adress": "common_address", "chanels": "channels", "perfer": "prefer", "clock-sync": "clock_sync", "tsl": "tls", "rloe": "role",
		"fnp": "", "password": "", "": "", "x": "", "number": "", "on": "",
	} {
		if got := Of(word, words); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}
