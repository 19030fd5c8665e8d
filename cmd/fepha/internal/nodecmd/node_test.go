package nodecmd

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"
)

// Whatever strangers say, such as a certificate's name or a library's error, no line of the log can move a terminal's cursor.
func TestLogLinesArePlain(t *testing.T) {
	const name = "a\x1b[2Jb\u009b2J\u202ec\x7f\nd"
	for _, asJSON := range []bool{false, true} {
		var b strings.Builder
		log, err := (&nodeFlags{id: "fep1", logLevel: "info", logJSON: asJSON}).log(&b)
		if err != nil {
			t.Fatal(err)
		}
		log.With("group", name).Warn("connection refused", "client", name, "reason", errors.New(name))
		line := strings.TrimSuffix(b.String(), "\n")
		if strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("raw: %q", line)
		}
		if asJSON {
			var got map[string]string
			if err := json.Unmarshal([]byte(line), &got); err != nil || got["client"] != name || got["reason"] != name {
				t.Errorf("%v: %s", err, line)
			}
		}
	}
}
