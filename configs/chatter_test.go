package configs

import (
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
)

func TestChatter(t *testing.T) {
	for text, want := range map[string]Chatter{"off": {}, "20/10s": {20, 10 * time.Second}, "1/100ms": {1, 100 * time.Millisecond}, "10000/1h": {10_000, time.Hour}} {
		if c, ok := parseChatter(text); !ok || c != want || c.String() != text {
			t.Errorf("%s: %v, %t", text, c, ok)
		}
	}
	for _, text := range []string{"", "20", "20/", "/10s", "0/10s", "10001/10s", "20/99ms", "20/2h", "-1/1s", "20/10", "on"} {
		if c, ok := parseChatter(text); ok {
			t.Errorf("%q was taken for %v", text, c)
		}
	}
}

// A row's word goes before the RTU's; counters, and analogs that are no events, never chatter.
func TestChatterOfPoints(t *testing.T) {
	l := newLoader("station.yaml", nil)
	rows := l.rtuTable("rtu.csv", []byte(strings.TrimSuffix(rtuHeader, "\n")+",event,chatter\n"+
		"di,1,1,,a,,,,,,,,\ndi,2,2,,b,,,,,,,,3/1s\ndi,3,3,,c,,,,,,,,off\nai,1,4,,d,,,,,,,true,\nai,2,5,,e,,,,,,,,\ncounter,1,6,,f,,,,,,,true,\n"), 1<<24-1, "")
	if l.errs.Total > 0 {
		t.Fatal(l.errs)
	}
	r := RTU{Points: rows.points, Chatters: rows.chatters, Chatter: Chatter{20, 10 * time.Second}}
	for key, want := range map[pointKey]string{{fsm.DI, 1}: "20/10s", {fsm.DI, 2}: "3/1s", {fsm.DI, 3}: "off", {fsm.AI, 1}: "20/10s", {fsm.AI, 2}: "off", {fsm.Counter, 1}: "off"} {
		for i := range r.Points {
			if p := &r.Points[i]; p.Kind == key.kind && p.Number == key.number {
				if got := r.ChatterOf(p).String(); got != want {
					t.Errorf("%v: %s, want %s", key, got, want)
				}
			}
		}
	}
}
