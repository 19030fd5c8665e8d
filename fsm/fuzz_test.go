package fsm

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/fsm/fsmpb"
)

// FuzzApply applies whatever can stand in the log after a state that has something of everything. Each command gets one
// result, and what comes out is a state: it can be used, and restored from its snapshot.
func FuzzApply(f *testing.F) {
	for _, line := range []string{
		testStation, "a stage expect=1", "lead assign rtu/1 epoch=1 owner=fep2", "ops move rtu/1 epoch=1 to=fep2", "fep2 released rtu/2 epoch=1",
		"fep2 claim uplink/occ/main", "ops pin rtu/1 to=fep2", "fep1 activated rtu/1 epoch=1 data=3", "fep1 events 1 epoch=1 batch=2 di/1=0 ai/9=1;q80",
		"fep1 online 1 no epoch=1", "fep1 forget 1 epoch=1 di/1", "fep1 links 1 1.1=down", "lead node fep1 dead", "fep1 clients uplink/occ/main b=standby",
		"fep1 cursor uplink/occ/main epoch=1 seq=9", "occ submit x rtu=1 do/6=1 phase=execute select=s", "fep1 start b epoch=1",
		"fep1 result a epoch=1 yes terminated", "lead expire b", "fep2 receive 1001/7/0/2 epoch=1 base=1 text=x", "ops user alice role=viewer",
		"ops user-remove bob", "ops token t role=viewer secret=t", "ops token-remove hmi", "ops login alice session=y revision=1", "ops logout session=x",
		"ops used x=9", "ops revoke name=x", "fep1 report rtu/1 a alarm owner epoch=1 count=1 value=x", "fep1 gone rtu.1.common_address", "fep1 ack node.fep2.disk",
	} {
		b, err := proto.Marshal(&fsmpb.Entry{Commands: []*fsmpb.Command{parseCommand(f, line, 0)}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	full := written(f, fullState(f).Snapshot())
	f.Fuzz(func(t *testing.T, entry []byte) {
		e := &fsmpb.Entry{}
		if proto.Unmarshal(entry, e) != nil {
			return
		}
		s, err := Restore(bytes.NewReader(full))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time it may have to be a repetition
			if results := s.Apply(s.Index()+1, e); len(results) != len(e.Commands) {
				t.Fatalf("%d results of %d commands", len(results), len(e.Commands))
			}
		}
		if _, err := Restore(bytes.NewReader(written(t, s.Snapshot()))); err != nil {
			t.Fatalf("what was applied can't be restored: %v", err)
		}
		use(s)
	})
}

// A command that panics costs itself alone, is told, and the state goes on.
func TestPanicOfACommand(t *testing.T) {
	x := newScripted(t).ok(testStation)
	told := 0
	x.s.OnPanic(func(value any, stack []byte) {
		if value == nil || len(stack) == 0 {
			t.Errorf("told of %v, %d octets of stack", value, len(stack))
		}
		told++
	})
	nodes := x.s.nodes
	x.s.nodes = []*Node{nil} // what no command can bring about, as far as is known
	r := x.do("lead node fep1 alive")
	x.s.nodes = nodes
	if r.Code != invalid || told != 1 {
		t.Errorf("%s %s, told %d times", r.Code, r.Message, told)
	}
	x.ok("lead node fep1 alive")
}
