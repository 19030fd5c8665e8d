package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/fepha/fepha/api"
)

func TestTablesAlignWideNames(t *testing.T) {
	var b strings.Builder
	if err := table(&b, "NUMBER\tNAME\tOWNER", row(1, "一号主变", "fep1"), row(12, "feeder", ""), row(3, "ｗｉｄｅ", "fep2")); err != nil {
		t.Fatal(err)
	}
	want := "NUMBER  NAME      OWNER\n" +
		"1       一号主变  fep1\n" +
		"12      feeder    -\n" +
		"3       ｗｉｄｅ  fep2\n"
	if b.String() != want {
		t.Errorf("got\n%s want\n%s", b.String(), want)
	}
}

// A name with line ends or tabs in it, as a spreadsheet's cell may have, makes no row or cell of its own.
func TestTablesKeepToTheirRows(t *testing.T) {
	var b strings.Builder
	if err := table(&b, "NUMBER\tNAME\tOWNER", row(1, "a\nb\tc", "fep1")); err != nil {
		t.Fatal(err)
	}
	if want := "NUMBER  NAME   OWNER\n1       a b c  fep1\n"; b.String() != want {
		t.Errorf("got\n%s want\n%s", b.String(), want)
	}
}

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

func TestTimesAreTheStations(t *testing.T) {
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		zone *time.Location
		want string
	}{
		{shanghai, "2023-11-15 06:13:20.123 +08:00"}, {time.UTC, "2023-11-14 22:13:20.123 +00:00"},
	} {
		if got := clock(newOutput(&strings.Builder{}, tc.zone), 1700000000123); got != tc.want {
			t.Errorf("%v: %s, want %s", tc.zone, got, tc.want)
		}
	}
}

func TestColoursOnATerminal(t *testing.T) {
	var b strings.Builder
	o := output{&b, nil, true}
	if n, err := o.Write([]byte("1:1 down, shutdown")); n != 18 || err != nil {
		t.Error(n, err)
	}
	if got := b.String(); got != "1:1 \x1b[31mdown\x1b[0m, shutdown" {
		t.Errorf("%q", got)
	}
	if newOutput(&b, nil).coloured {
		t.Error("a file is no terminal")
	}
}

func TestEventsAsCSV(t *testing.T) {
	var b strings.Builder
	if err := writeEvents(newOutput(&b, time.UTC), []api.Event{
		{Seq: 7, TimeMs: 1700000000123, RTU: 1, Kind: "di", Point: 17, Type: 30, Value: 1, Quality: 0x40, Text: `1/di/17 "breaker", on`},
		{Seq: 8, TimeMs: 1700000000124, Kind: "note", Text: "rtu/1: owned by fep2 now", Note: &api.Note{Kind: "owner"}},
	}); err != nil {
		t.Fatal(err)
	}
	want := "seq,time,rtu,kind,point,value,quality,text\n" +
		"7,2023-11-14 22:13:20.123 +00:00,1,di,17,1,not topical,\"1/di/17 \"\"breaker\"\", on\"\n" +
		"8,2023-11-14 22:13:20.124 +00:00,,owner,,,,rtu/1: owned by fep2 now\n"
	if b.String() != want {
		t.Errorf("got\n%s want\n%s", b.String(), want)
	}
}
