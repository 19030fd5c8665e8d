package fsm

import (
	"fmt"
	"testing"
)

func TestOverride(t *testing.T) {
	base := []string{testStation, "lead assign rtu/1 epoch=0 owner=fep1", "fep1 events 1 epoch=1 batch=1 di/1=1 ai/1=2.5 counter/1=7 ai/2=1;t21"} // events 2 to 6
	one := PointKey{RTU: 1, Kind: DI, Point: 1}
	runCases(t, base, []commandCase{
		{name: "substituted", do: "ops substitute 1 di/1 value=0 why=x", check: holds(one, 0, QualitySubstituted, 8)},
		{name: "blocked", do: "ops block 1 di/1 why=x", check: holds(one, 1, QualityBlocked, 8)},
		{name: "the device's event changes nothing that is seen", after: []string{"ops block 1 di/1 why=x"},
			do: "fep1 events 1 epoch=1 batch=2 di/1=0", check: holds(one, 1, QualityBlocked, 8)},
		{name: "released", after: []string{"ops block 1 di/1 why=x", "at 5", "fep1 events 1 epoch=1 batch=2 di/1=0"},
			do: "ops release 1 di/1", check: holds(one, 0, 0, 10)},
		{name: "never told of", do: "ops substitute 1 di/5 value=1 type=30 why=x", check: holds(PointKey{RTU: 1, Kind: DI, Point: 5}, 1, QualitySubstituted, 8)},

		{name: "released twice", do: "ops release 1 di/1", code: duplicate},
		{name: "without a reason", do: "ops block 1 di/1", code: invalid, say: "reason"},
		{name: "a counter", do: "ops block 1 counter/1 why=x", code: invalid, say: "no other value has room"},
		{name: "a type without quality", do: "ops block 1 ai/2 why=x", code: invalid, say: "type 21"},
		{name: "no number", do: "ops substitute 1 ai/1 value=NaN why=x", code: invalid, say: "NaN"},
		{name: "a virtual point", after: []string{"fep1 configure digest=two node=fep1/1/fep rtu=1/fep1/1 virtual=1/3/rtu:1"},
			do: "ops substitute 1 di/3 value=0 why=x", code: invalid, say: "virtual"},
		{name: "no RTU", do: "ops block 7 di/1 why=x", code: notFound},
		{name: "blocked without a value", do: "ops block 1 di/5 why=x", code: conflict, say: "no value that it could keep"},
		{name: "never told of, without a type", do: "ops substitute 1 di/5 value=1 why=x", code: invalid, say: "TypeID"},
	})
}

func TestOverridesAreBounded(t *testing.T) {
	x := newScripted(t).ok(testStation)
	for i := range maxOverrides {
		x.ok(fmt.Sprintf("ops substitute 1 di/%d value=1 type=30 why=x", i+1))
	}
	if r := x.do("ops substitute 2 di/1 value=1 type=30 why=x"); r.Code != conflict {
		t.Fatalf("one more: %s %s", r.Code, r.Message)
	}
	x.ok("ops substitute 1 di/1 value=0 why=another", "ops release 1 di/2", "ops substitute 2 di/1 value=1 type=30 why=x")
	mustEqual(t, "overrides", len(x.s.Overrides()), maxOverrides)
}
