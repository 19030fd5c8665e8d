package configs

import (
	"reflect"
	"testing"
)

func TestWhatIsPeculiarIsRead(t *testing.T) {
	r, _ := mustLoad(t, station(t), "station.yaml").RTU(1)
	if !reflect.DeepEqual(r.Order, []Step{StepInterrogation, StepCounters, StepClock}) || r.CounterFreeze != FreezeNone || r.CounterGroups != nil || r.Tolerant != nil {
		t.Errorf("without a word: %v, %v, %v, %v", r.Order, r.CounterFreeze, r.CounterGroups, r.Tolerant)
	}
	r, _ = mustLoad(t, station(t, "common_address: 1\n", "common_address: 1\n    order: [test, clock, interrogation, counters]\n"+
		"    counter_freeze: freeze-reset\n    counter_groups: [2, 1]\n    tolerant: [odd-frames]\n"), "station.yaml").RTU(1)
	if !reflect.DeepEqual(r.Order, []Step{StepTest, StepClock, StepInterrogation, StepCounters}) || r.CounterFreeze != FreezeReset ||
		!reflect.DeepEqual(r.CounterGroups, []int{2, 1}) || !reflect.DeepEqual(r.Tolerant, []string{"odd-frames"}) {
		t.Errorf("%v, %v, %v, %v", r.Order, r.CounterFreeze, r.CounterGroups, r.Tolerant)
	}
	for text, want := range map[string]int{"true": 3, "false": 0} {
		r, _ = mustLoad(t, station(t, "common_address: 1\n", "common_address: 1\n    tolerant: "+text+"\n"), "station.yaml").RTU(1)
		if len(r.Tolerant) != want {
			t.Errorf("tolerant: %s is %v", text, r.Tolerant)
		}
	}
}

// Files are fetched and let be read where that's written; the common address of an RTU's files is the uplink's unless it's another.
func TestFiles(t *testing.T) {
	s := mustLoad(t, station(t), "station.yaml")
	if r, _ := s.RTU(1); r.Files || s.Uplinks[0].Files != nil {
		t.Errorf("without a word: %v, %v", r.Files, s.Uplinks[0].Files)
	}
	s = mustLoad(t, station(t, "common_address: 1\n", "common_address: 1\n    files: true\n", "    points: occ.csv\n", "    points: occ.csv\n    files: [{rtu: 1}]\n"), "station.yaml")
	if r, _ := s.RTU(1); !r.Files || !reflect.DeepEqual(s.Uplinks[0].Files, []UplinkFiles{{RTU: 1, CommonAddress: 100}}) {
		t.Errorf("%v, %v", r.Files, s.Uplinks[0].Files)
	}
}

// A zone of an RTU's or an uplink's own; without one it is the station's, and equal names are one zone.
func TestTimeZones(t *testing.T) {
	zoned := []string{"name: Test}", "name: Test, time_zone: Asia/Shanghai}", "    points: rtu2.csv\n", "    points: rtu2.csv\n    time_zone: UTC\n",
		"    points: occ.csv\n", "    points: occ.csv\n    time_zone: Europe/Berlin\n"}
	s, again := mustLoad(t, station(t, zoned...), "station.yaml"), mustLoad(t, station(t, zoned...), "station.yaml")
	got := []string{s.Location.String(), s.RTUs[0].Location.String(), s.RTUs[1].Location.String(), s.Uplinks[0].Location.String()}
	if want := []string{"Asia/Shanghai", "Asia/Shanghai", "UTC", "Europe/Berlin"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if s.RTUs[0].Location != again.RTUs[0].Location || s.Uplinks[0].Location != again.Uplinks[0].Location {
		t.Error("the same zone is another one each time: links would be closed for it")
	}
	plain := mustLoad(t, station(t, zoned[:2]...), "station.yaml")
	if s.RTUs[1].Digest() == plain.RTUs[1].Digest() || s.RTUs[0].Digest() != plain.RTUs[0].Digest() || s.Uplinks[0].Digest() == plain.Uplinks[0].Digest() {
		t.Error("a zone is no part of the digest of what has it alone")
	}
	_, err := LoadFS(station(t, "    points: rtu2.csv\n", "    points: rtu2.csv\n    time_zone: Mars\n"), "station.yaml")
	if err == nil || err.Error() != `station.yaml:18:16: rtus[1].time_zone: "Mars" is unknown: expected an IANA time zone such as Asia/Shanghai` {
		t.Error(err)
	}
}
