package cli

import (
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
