package cli

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestTablesAlignWideNames(t *testing.T) {
	var b strings.Builder
	if err := Table(&b, "NUMBER\tNAME\tOWNER", Row(1, "一号主变", "fep1"), Row(12, "feeder", ""), Row(3, "ｗｉｄｅ", "fep2")); err != nil {
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

// Every column of every list has a heading: a command that forgets one fails.
func TestColumnsHaveHeadings(t *testing.T) {
	for _, tc := range []struct{ header, row string }{{"A\tB", Row(1, 2, 3)}, {"A\t", Row(1, 2)}, {"", Row(1)}} {
		var b strings.Builder
		if err := Table(&b, tc.header, tc.row); !errors.Is(err, ErrHeading) {
			t.Errorf("%q under %q: %v, %q", tc.row, tc.header, err, b.String())
		}
	}
}

// Rows that are printed as they come stand under their headings, where they are as wide as is known.
func TestListPrintsRowsAsTheyCome(t *testing.T) {
	var b strings.Builder
	l := NewList(&b, "NUMBER\tTIME\tWHAT", 0, 5)
	for _, want := range []string{"NUMBER  TIME   WHAT\n1       12:00  一号\n", "12345678  12:01  two words\n"} {
		row := Row(1, "12:00", "一号")
		if b.Len() > 0 {
			row = Row(12345678, "12:01", "two words")
		}
		b.Reset()
		if err := l.Add(row); err != nil || b.String() != want {
			t.Errorf("%v, got %q, want %q", err, b.String(), want)
		}
		b.WriteString(" ")
	}
}

// A name with line ends or tabs in it, as a spreadsheet's cell may have, makes no row or cell of its own.
func TestTablesKeepToTheirRows(t *testing.T) {
	var b strings.Builder
	if err := Table(&b, "NUMBER\tNAME\tOWNER", Row(1, "a\nb\tc", "fep1")); err != nil {
		t.Fatal(err)
	}
	if want := "NUMBER  NAME   OWNER\n1       a b c  fep1\n"; b.String() != want {
		t.Errorf("got\n%s want\n%s", b.String(), want)
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
		if got := Clock(NewOutput(&strings.Builder{}, tc.zone), 1700000000123); got != tc.want {
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
	if NewOutput(&b, nil).coloured {
		t.Error("a file is no terminal")
	}
}
