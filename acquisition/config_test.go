package acquisition

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104/asdu"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(*RTU)
		says   string
	}{
		{"as it should be", func(*RTU) {}, ""},
		{"no number", func(r *RTU) { r.Number = 0 }, "number"},
		{"no common address", func(r *RTU) { r.CommonAddress = 0 }, "common address 0"},
		{"broadcast", func(r *RTU) { r.CommonAddress = asdu.BroadcastAddress }, "common address 65535"},
		{"no retry", func(r *RTU) { r.Retry = 0 }, "retry 0s"},
		{"no channel", func(r *RTU) { r.Channels = nil }, "no channel"},
		{"no link", func(r *RTU) { r.Channels = []Channel{{}} }, "channel 1 has no link"},
		{"no port", func(r *RTU) { r.Channels = []Channel{channel("a")} }, `address "a", expected host:port`},
		{"a link twice", func(r *RTU) { r.Channels = []Channel{channel("a:1"), channel("a:1")} }, "channel 2, link 1: a:1 is a link of RTU 1 already"},
		{"window", func(r *RTU) { r.Protocol.K, r.Protocol.W = 3, 3 }, "w is 3"},
		{"address twice", func(r *RTU) { r.Points[4].Address = r.Points[0].Address }, "address 1 of"},
		{"control twice", func(r *RTU) { r.Points[7].Number = 1 }, "DO 1 is there twice"},
		{"unfit type", func(r *RTU) { r.Points[0].Type = asdu.M_ME_NC_1 }, "M_ME_NC_1, which no DI has"},
		{"unfit command", func(r *RTU) { r.Points[3].Type = asdu.C_SE_NC_1 }, "C_SE_NC_1, which no DO has"},
		{"kind", func(r *RTU) { r.Points[0].Kind = 9 }, "kind 9"},
		{"scale", func(r *RTU) { r.Points[1].Analog = analog(func(a *Analog) { a.Scale = 0 }) }, "scale 0"},
		{"deadband", func(r *RTU) { r.Points[1].Analog = analog(func(a *Analog) { a.Deadband = math.NaN() }) }, "deadband NaN"},
		{"range", func(r *RTU) { r.Points[1].Analog = analog(func(a *Analog) { a.Low, a.High = 2, 1 }) }, "range 2 to 1"},
	} {
		r := testRTU(1, channel("a:1"))
		c.change(&r)
		err := check([]RTU{r})
		if c.says == "" && err != nil || c.says != "" && (!errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v, expected %q", c.what, err, c.says)
		}
	}
	if err := check([]RTU{testRTU(1, channel("a:1")), testRTU(1, channel("b:1"))}); err == nil {
		t.Error("a number twice is accepted")
	}
	_, err := New(Config{RTUs: []RTU{{Number: 1}}})
	if !errors.Is(err, ErrConfig) {
		t.Errorf("%v", err)
	}
}

// The kinds of points and the types that bear them: every monitored type has a kind, and no other has.
func TestTypesOfKinds(t *testing.T) {
	for typ := range asdu.TypeID(127) {
		kinds := 0
		for kind := fsmpb.Kind_DI; kind <= fsmpb.Kind_COUNTER; kind++ {
			if bears(typ, kind) {
				kinds++
			}
		}
		monitored := typ.Known() && typ.IsMonitor() && typ != asdu.M_EI_NA_1
		if monitored != (kinds > 0) {
			t.Errorf("%v is borne by %d kinds", typ, kinds)
		}
		if command := typ.Known() && (typ.IsCommand() || typ.IsParameter()); command != (commands(fsmpb.Kind_DO, typ) || commands(fsmpb.Kind_AO, typ)) {
			t.Errorf("%v: command %v", typ, command)
		}
	}
}

func TestStaggered(t *testing.T) {
	const period, n = 15 * time.Minute, 500
	due := map[time.Duration]int{}
	for i := range n {
		c := staggered(period, i, n)
		at, ok := c.next(0)
		if !ok || at < period/2 || at >= period+period/2 {
			t.Fatalf("RTU %d: %v after the start", i, at)
		}
		due[at.Truncate(time.Second)]++
		if again, _ := c.next(at); again != at+period {
			t.Fatalf("RTU %d: %v, then %v", i, at, again)
		}
	}
	for at, k := range due {
		if k > 2 {
			t.Errorf("%d RTUs within the second at %v", k, at)
		}
	}
	if _, ok := staggered(0, 1, 2).next(0); ok {
		t.Error("period 0 is due")
	}
}
