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
