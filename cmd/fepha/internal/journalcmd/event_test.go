package journalcmd

import (
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
)

func TestEventsAsCSV(t *testing.T) {
	var b strings.Builder
	if err := writeEvents(cli.NewOutput(&b, time.UTC), []api.Event{
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
