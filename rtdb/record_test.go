package rtdb

import (
	"fmt"
	"math"
	"testing"

	"github.com/fepha/fepha/fsm"
)

func TestRecords(t *testing.T) {
	for _, c := range []struct {
		record record
		want   string
	}{
		{record{key: key{kind: useflag, rtu: 7}, host: 2, epoch: 12}, "useflag:rtu:7 [host 2 epoch 12]"},
		{record{key: key{kind: useflag, rtu: 7}}, "useflag:rtu:7 [host 0 epoch 0]"},
		{record{key: key{kind: yx, rtu: 1, a: 17}, value: 1, quality: 0xc0, typeID: 31, timeMs: 1700000000123, host: 1}, "yx:1:17 [val 1 q 192 t 1700000000123 host 1 type 31]"},
		{record{key: key{kind: yc, rtu: 1, a: 4}, value: -1.5}, "yc:1:4 [val -1.5 q 0 t 0 host 0 type 0]"},
		{record{key: key{kind: yc, rtu: 1, a: 4}, value: math.Inf(1), timeMs: -1}, "yc:1:4 [val +Inf q 0 t -1 host 0 type 0]"},
		{record{key: key{kind: dd, rtu: 65535, a: math.MaxUint32}, value: 4294967295}, "dd:65535:4294967295 [val 4294967295 q 0 t 0 host 0 type 0]"},
		{record{key: key{kind: channel, rtu: 1, a: 2, b: 3}, states: [2]fsm.LinkState{fsm.LinkActive, fsm.LinkDown}}, "chan:1:2:3 [host1 active host2 down]"},
		{record{key: key{kind: virtual, rtu: 9, a: 5}, valB: true, val: true, timeMs: 3}, "vpt:9:5 [vala 0 valb 1 val 1 t 3]"},
	} {
		var e encoder
		name, fields := e.encode(&c.record)
		if got := fmt.Sprintf("%s %v", name, fields); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
		if k, ok := parseKey(name); !ok || k != c.record.key {
			t.Errorf("%s is read as %+v (%t), want %+v", name, k, ok, c.record.key)
		}
	}
}

func TestNumbersAreWrittenForPeople(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 1: "1", -0.25: "-0.25", 1e6: "1000000", 123456789.5: "123456789.5", 1e-6: "0.000001", 1e-7: "1e-07", 1e20: "100000000000000000000",
		1e21: "1e+21", float64(float32(0.1)): "0.10000000149011612", math.Inf(-1): "-Inf",
	} {
		var e encoder
		if e.float(v); string(e.buf) != want {
			t.Errorf("%v is written as %s, want %s", v, e.buf, want)
		}
	}
}

func TestForeignKeysAreNotTheViews(t *testing.T) {
	for _, text := range []string{
		"", "yx", "yx:", "yx:1", "yx:1:", "yx:1:2:3", "yx:01:2", "yx:-1:2", "yx:+1:2", "yx:1:4294967296", "yx:a:b", "YX:1:2",
		"useflag:1", "useflag:rtu:1:2", "chan:1:2", "chan:main", "vpt:1", "ctl:req", "fepha:view:1", "yxx:1:2",
	} {
		if k, ok := parseKey(text); ok {
			t.Errorf("%q is read as %v", text, k)
		}
	}
}
