package words

import (
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
)

func TestEventsInWords(t *testing.T) {
	timings := fsm.Timings{DetectedMs: 310, ElectedMs: 402}
	for _, tc := range []struct {
		e    fsm.Record
		want string
	}{
		{point(fsm.Event{RTU: 1, Kind: fsm.DI, Point: 17, Type: 30, Value: 1}), "1/di/17 Incomer 101 breaker: on"},
		{point(fsm.Event{RTU: 1, Kind: fsm.DI, Point: 17, Type: 31, Value: 1, Quality: 0xc0}), "1/di/17 Incomer 101 breaker: off (invalid, not topical)"},
		{point(fsm.Event{RTU: 1, Kind: fsm.DI, Point: 16, Type: 31, Value: 3}), "1/di/16: indeterminate"},
		{point(fsm.Event{RTU: 1, Kind: fsm.AI, Point: 3, Type: 36, Value: 1}), "1/ai/3 Busbar voltage: 1"},
		{point(fsm.Event{RTU: 1, Kind: fsm.DI, Point: 16, Type: 38, Value: 1, Quality: 0x08}), "1/di/16: off (elapsed time invalid)"},
		{point(fsm.Event{RTU: 1, Kind: fsm.DI, Point: 16, Type: 17, Value: 2}), "1/di/16: on"},
		{point(fsm.Event{RTU: 1, Kind: fsm.DI, Point: 16, Type: 38, Value: 0, Quality: 0x01}), "1/di/16: indeterminate"},
		{point(fsm.Event{RTU: 1, Kind: fsm.DI, Point: 16, Type: 39, Value: 0x15}), "1/di/16: general start, start L2, start of earth current"},
		{point(fsm.Event{RTU: 1, Kind: fsm.DI, Point: 16, Type: 40, Value: 0}), "1/di/16: none"},
		{point(fsm.Event{RTU: 1, Kind: fsm.AI, Point: 9, Type: 32, Value: -5, Transient: true, Quality: 0x40}), "1/ai/9: -5, on its way (not topical)"},
		{point(fsm.Event{RTU: 1, Kind: fsm.AI, Point: 9, Type: 33, Value: 0xdeadbeef, Quality: 0x81}), "1/ai/9: 0xdeadbeef (invalid, overflow)"},
		{point(fsm.Event{RTU: 1, Kind: fsm.Counter, Point: 9, Type: 37, Value: 7, Quality: 0x7f}), "1/counter/9: 7 (adjusted, overflowed)"},
		{note(fsm.Note{Kind: fsm.NoteOwner, Resource: "rtu/1", From: "fep1", To: "fep2", Reason: "owner lost", Timings: timings}), "rtu/1: owned by fep2 now, was fep1's (owner lost), detected after 310 ms, elected after 402 ms"},
		{note(fsm.Note{Kind: fsm.NoteOwner, Resource: "rtu/1", To: "fep2"}), "rtu/1: owned by fep2 now, was nobody's"},
		{note(fsm.Note{Kind: fsm.NoteOwner, Resource: "uplink/occ/main", From: "fep1", Reason: "no link"}), "uplink/occ/main: released by fep1 (no link)"},
		{note(fsm.Note{Kind: fsm.NoteMoving, Resource: "rtu/1", From: "fep1", To: "fep2", Reason: "manual"}), "rtu/1: to move from fep1 to fep2 (manual)"},
		{note(fsm.Note{Kind: fsm.NoteActivated, Resource: "rtu/1", To: "fep2", Timings: fsm.Timings{ConnectedMs: 9}}), "rtu/1: fep2 is at work, connected after 9 ms"},
		{note(fsm.Note{Kind: fsm.NoteMoving, Resource: "rtu/1", From: "fep1", To: "fep2", Reason: "manual", Origin: "api:alice"}), "rtu/1: to move from fep1 to fep2 (manual) by api:alice"},
		{note(fsm.Note{Kind: fsm.NotePin, Resource: "rtu/1", To: "fep2"}), "rtu/1: pinned to fep2"},
		{note(fsm.Note{Kind: fsm.NotePin, Resource: "rtu/1", To: "fep2", Origin: "api:alice"}), "rtu/1: pinned to fep2 by api:alice"},
		{note(fsm.Note{Kind: fsm.NotePin, Resource: "rtu/1", From: "fep2"}), "rtu/1: no longer pinned to fep2"},
		{note(fsm.Note{Kind: fsm.NoteNode, Resource: "fep1"}), "node fep1: DEAD"},
		{note(fsm.Note{Kind: fsm.NoteNode, Resource: "fep1", OK: true}), "node fep1: alive"},
		{note(fsm.Note{Kind: fsm.NoteOnline, Resource: "rtu/1"}), "rtu/1: OFFLINE"},
		{note(fsm.Note{Kind: fsm.NoteOverflow, Resource: "uplink/occ/main", Count: 12}), "uplink/occ/main: EVENTS DROPPED, 12 so far"},
		{note(fsm.Note{Kind: fsm.NoteOverflow, Resource: "uplink/occ/main", OK: true, Count: 12}), "uplink/occ/main: has caught up, 12 events were dropped"},
		{note(fsm.Note{Kind: fsm.NoteAccess, Resource: "user/bob", Reason: "added as viewer", Origin: "alice"}), "user/bob: added as viewer by alice"},
		{note(fsm.Note{Kind: fsm.NoteRefused, To: "login", Origin: "10.0.0.1", Reason: "wrong password", Count: 1}), "REFUSED to 10.0.0.1: login (wrong password)"},
		{note(fsm.Note{Kind: fsm.NoteRefused, To: "control", Origin: "uplink/occ/main 10.0.0.1", Resource: "1/do/2", Reason: "too many", Count: 40}), "REFUSED to uplink/occ/main 10.0.0.1: control 1/do/2 (too many), 40 times"},
		{note(fsm.Note{Kind: fsm.NoteAction, To: "trace", Origin: "api:alice", Resource: "rtu/1"}), "trace rtu/1 by api:alice"},
		{note(fsm.Note{Kind: fsm.NoteRefused, To: "login", Origin: "10.0.0.1", Reason: "\u202egnorw\u2066\u200b\n1/di/1: off", Count: 1}), `REFUSED to 10.0.0.1: login (\u202egnorw\u2066\u200b\n1/di/1: off)`},
		{note(fsm.Note{Kind: fsm.NoteConfig, Resource: "abc"}), "another configuration is in force: abc"},
		{control(fsm.DO, 2, 46, 2, fsm.Note{Kind: fsm.NoteControl, Origin: "api:alice", Stage: fsm.Executing, To: "fep1"}),
			"control 1/do/2 Incomer 101 breaker to on by api:alice: executing, on fep1"},
		{control(fsm.AO, 5, 50, 7.5, fsm.Note{Kind: fsm.NoteControl, Origin: "occ", Stage: fsm.Done, Reason: "deadline"}),
			"control 1/ao/5 Tap set point to 7.5 by occ: done, FAILED, deadline"},
	} {
		if got, _ := say(&tc.e); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}

// say tells of a record of a station whose names are these.
func say(r *fsm.Record) (en, zh string) {
	names := map[string]string{"1/di/17": "Incomer 101 breaker", "1/ai/3": "Busbar voltage", "1/do/2": "Incomer 101 breaker", "1/ao/5": "Tap set point"}
	if r.Audit == nil {
		return Event(&r.Event, names[r.Event.Key().String()])
	}
	state := ""
	if r.Audit.Point.Kind == fsm.DO {
		state = api.StateOn
	}
	return Entry(r.Audit, names[r.Audit.Point.String()], state)
}

func point(e fsm.Event) fsm.Record { return fsm.Record{Event: e} }

func note(n fsm.Note) fsm.Record { return fsm.Record{Audit: &fsm.AuditEntry{Note: n}} }

func control(kind fsm.Kind, point uint32, typeID uint8, value float64, n fsm.Note) fsm.Record {
	n.Kind = fsm.NoteControl
	return fsm.Record{Audit: &fsm.AuditEntry{Point: fsm.PointKey{RTU: 1, Kind: kind, Point: point}, Type: typeID, Value: value, Note: n}}
}

// Every format that words.go says has a Chinese one with the same places.
func TestEveryFormatIsChineseToo(t *testing.T) {
	file, err := parser.ParseFile(gotoken.NewFileSet(), "words.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	formats := 0
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if f, ok := call.Fun.(*ast.SelectorExpr); !ok || f.Sel.Name != "f" {
			return true
		}
		format, ok := call.Args[0].(*ast.BasicLit)
		if !ok {
			t.Errorf("a format that is no literal: %v", call.Args[0])
			return true
		}
		en, err := strconv.Unquote(format.Value)
		if err != nil {
			t.Fatal(err)
		}
		formats++
		args := []any{}
		for _, a := range call.Args[1:] {
			_ = a
			args = append(args, "X")
		}
		for i := range args {
			if regexp.MustCompile(`%[sd]`).FindAllString(en, -1)[i] == "%d" {
				args[i] = 7
			}
		}
		zh, ok := chinese[en]
		if said := fmt.Sprintf(zh, args...); !ok || strings.Contains(said, "%!") || strings.Count(said, "X")+strings.Count(said, "7") != len(args) {
			t.Errorf("%q is %q in Chinese: %s", en, zh, said)
		}
		return true
	})
	if formats < 20 {
		t.Errorf("%d formats were found", formats)
	}
}

func TestEventsInChinese(t *testing.T) {
	for _, tc := range []struct {
		e    fsm.Record
		want string
	}{
		{point(fsm.Event{RTU: 1, Kind: fsm.DI, Point: 17, Type: 31, Value: 1, Quality: 0xc0}), "1/di/17 Incomer 101 breaker: 分 (无效, 非当前)"},
		{note(fsm.Note{Kind: fsm.NoteOwner, Resource: "rtu/1", From: "fep1", To: "fep2", Reason: "owner lost", Timings: fsm.Timings{DetectedMs: 310}}), "rtu/1：现由 fep2 主用，此前为 fep1 (主用失效)，发现 310 毫秒"},
		{control(fsm.DO, 2, 46, 2, fsm.Note{Kind: fsm.NoteControl, Origin: "api:alice", Stage: fsm.Executing, To: "fep1"}), "遥控 1/do/2 Incomer 101 breaker 为 合，来自 api:alice：执行中，经 fep1"},
	} {
		if _, got := say(&tc.e); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}
