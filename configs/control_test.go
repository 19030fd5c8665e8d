package configs

import (
	"reflect"
	"testing"

	"github.com/fepha/fepha/fsm"
)

// A state and its control may have one address, at the device and at the centre.
func TestOneAddressInEachDirection(t *testing.T) {
	s := mustLoad(t, station(t, "rtu1.csv|do,1,201", "do,1,1", "occ.csv|201,1,do", "1,1,do"), "station.yaml")
	r, _ := s.RTU(1)
	if len(r.Points) != 3 || len(s.Uplinks[0].Points) != 4 {
		t.Errorf("%+v, %+v", r.Points, s.Uplinks[0].Points)
	}
}

func TestControlsAreReadAsTheyAreOperated(t *testing.T) {
	one := uint32(1)
	s := mustLoad(t, station(t, "common_address: 1\n", "common_address: 1\n    confirm: state\n    termination: none\n",
		"rtu1.csv|category\n", "category,select,qualifier,state\nao,1,202,50,,,,,,,,required,7,\ndo,2,203,47,,,,,,,,,,\n",
		"rtu1.csv|,,,DO\n", ",,,DO,Device,SHORT,1\n"), "station.yaml")
	r, _ := s.RTU(1)
	want := map[ControlKey]Control{
		{fsm.DO, 1}: {Select: SelectDevice, Qualifier: 1 << 2, State: &one},
		{fsm.AO, 1}: {Select: SelectRequired, Qualifier: 7},
	}
	if !reflect.DeepEqual(r.Controls, want) {
		t.Errorf("%+v, expected %+v", r.Controls, want)
	}
	if r.Confirm != ConfirmState || r.Termination != TerminationNone {
		t.Errorf("confirm %q, termination %q", r.Confirm, r.Termination)
	}
	other := mustLoad(t, station(t, "rtu1.csv|category\n", "category,select\n", "rtu1.csv|,,,DO\n", ",,,DO,device\n"), "station.yaml")
	plain := mustLoad(t, station(t), "station.yaml")
	if changes := Compare(plain, other); len(changes) != 1 || changes[0].Detail != "1 point changed" {
		t.Errorf("select is no change: %+v", changes)
	}
}
