package nodecmd

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"
)

// Whatever strangers say, such as a certificate's name or a library's error, no line of the log can move a terminal's cursor.
func TestLogLinesArePlain(t *testing.T) {
	const name = "a\x1b[2Jb\u009b2J\u202ec\x7f\nd"
	for _, asJSON := range []bool{false, true} {
		var b strings.Builder
		log, _, err := (&nodeFlags{id: "fep1", logLevel: "info", logJSON: asJSON}).log(&b)
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

// Before the configuration is read, times are this machine's; then the station's. Both have their offset.
func TestLogTimesAreTheStations(t *testing.T) {
	at := time.Date(2024, 2, 28, 20, 30, 1, 0, time.UTC)
	for _, asJSON := range []bool{false, true} {
		var b strings.Builder
		log, zone, err := (&nodeFlags{id: "fep1", logLevel: "info", logJSON: asJSON}).log(&b)
		if err != nil {
			t.Fatal(err)
		}
		log.Info("started", "at", at)
		if want := at.Local().Format("2006-01-02T15:04:05"); !strings.Contains(b.String(), want) {
			t.Errorf("before: no %s in %s", want, b.String())
		}
		b.Reset()
		zone.Store(time.FixedZone("", 5*3600+45*60))
		log.With("since", at).Info("goes on", "at", at)
		if line := b.String(); strings.Count(line, "2024-02-29T02:15:01") != 2 || strings.Count(line, "+05:45") != 3 {
			t.Errorf("in the station's zone: %s", line)
		}
	}
}
