package fsm

import (
	"bytes"
	"math"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

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
		bears(t, full, e)
	})
}

// bears checks that a state bears an entry: no command panics, each gets one result, and what comes out is a state.
func bears(t *testing.T, snapshot []byte, e *fsmpb.Entry) {
	t.Helper()
	s, err := Restore(bytes.NewReader(snapshot))
	if err != nil {
		t.Fatal(err)
	}
	s.OnPanic(func(value any, stack []byte) { t.Errorf("%v: %v\n%s", e, value, stack) })
	for range 2 { // the second time it may have to be a repetition
		if results := s.Apply(s.Index()+1, e); len(results) != len(e.Commands) {
			t.Fatalf("%d results of %d commands", len(results), len(e.Commands))
		}
	}
	if _, err := Restore(bytes.NewReader(written(t, s.Snapshot()))); err != nil {
		t.Fatalf("%v: what was applied can't be restored: %v", e, err)
	}
	use(s)
}

// FuzzCommands applies two commands of any kind, whose fields are arbitrary, and names mostly those that the state knows.
func FuzzCommands(f *testing.F) {
	full := written(f, fullState(f).Snapshot())
	kinds := new(fsmpb.Command).ProtoReflect().Descriptor().Oneofs().ByName("op").Fields().Len()
	for kind := range kinds {
		for salt := range byte(3) {
			f.Add(append([]byte{5, byte(kind)}, bytes.Repeat([]byte{1, salt, 5, 0, 9 * salt, 1}, 20)...))
		}
	}
	f.Fuzz(func(t *testing.T, octets []byte) {
		e, from := &fsmpb.Entry{}, filler{octets}
		for range 2 {
			c := &fsmpb.Command{AtMs: 1_700_000_000_000, Node: known[int(from.next())%len(known)]}
			from.choose(c.ProtoReflect())
			e.Commands = append(e.Commands, c)
		}
		bears(t, full, e)
	})
}

// filler makes messages of octets; when there are none left, what is left out is absent.
type filler struct{ octets []byte }

func (f *filler) next() (b byte) {
	if len(f.octets) > 0 {
		b, f.octets = f.octets[0], f.octets[1:]
	}
	return b
}

// choose fills in one of a message's kinds.
func (f *filler) choose(m protoreflect.Message) {
	fields := m.Descriptor().Oneofs().ByName("op").Fields()
	f.fill(m.Mutable(fields.Get(int(f.next()) % fields.Len())).Message())
}

func (f *filler) fill(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		d, n := fields.Get(i), f.next()
		switch {
		case n == 0:
		case d.IsList():
			list := m.Mutable(d).List()
			for range n % 4 {
				if d.Kind() == protoreflect.MessageKind {
					f.fill(list.AppendMutable().Message())
				} else {
					list.Append(f.value(d))
				}
			}
		case d.Kind() == protoreflect.MessageKind:
			f.fill(m.Mutable(d).Message())
		default:
			m.Set(d, f.value(d))
		}
	}
}

// known are names and texts that mean something to fullState, and some that don't.
var known = []string{
	"rtu/1", "rtu/2", "uplink/occ/main", "uplink/scada/both", "fnp", "fep1", "fep2", "wit", "a", "b", "s", "x", "alice", "bob", "hmi", "occ", "main",
	"rtu.1.common_address", "node.fep2.disk", "disk", "owner", "DO", "witness", "fep", "", "\x00\t", "rtu/99", "\u202e",
}

func (f *filler) value(d protoreflect.FieldDescriptor) protoreflect.Value {
	n := f.next()
	number := []uint64{0, 1, 2, 3, 5, 30, 45, 255, 65535, 1 << 24, 1<<31 - 1, 1<<32 - 1, 1 << 40, 1<<63 - 1, 1 << 63, 1<<64 - 1}[n%16]
	switch d.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(n&1 == 1)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(n%8) - 1)
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(known[int(n)%len(known)])
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(bytes.Repeat([]byte{n}, int(n)%40))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64([]float64{0, 1, -1, 2.5, math.NaN(), math.Inf(1), math.MaxFloat64, math.Copysign(0, -1)}[n%8])
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(number))
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(number))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind:
		return protoreflect.ValueOfInt64(int64(number))
	}
	return protoreflect.ValueOfUint64(number)
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
