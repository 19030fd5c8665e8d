package server

import (
	"bufio"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// A reader is told everything once, and then what changes, by whatever many steps it changed.
func TestLiveParts(t *testing.T) {
	now := time.Unix(0, 0)
	station := map[string]any{"a": 1, "b": "x"}
	reads := 0
	l := newLiveParts(func() map[string]any { reads++; return maps.Clone(station) })
	read := func(after uint64) (m *api.LiveMessage, version uint64) {
		t.Helper()
		m, version, err := l.changes(after, now)
		if err != nil {
			t.Fatal(err)
		}
		return m, version
	}
	names := func(m *api.LiveMessage) string { return strings.Join(slices.Sorted(maps.Keys(m.Set)), " ") }

	now = now.Add(livePace)
	m, first := read(0)
	if !m.Whole || names(m) != "a b" || string(m.Set["b"]) != `"x"` {
		t.Errorf("at first: %+v", m)
	}
	station["a"] = 2
	if m, _ := read(first); m != nil || reads != 1 {
		t.Errorf("within the pace: %+v after %d readings", m, reads)
	}
	now = now.Add(livePace)
	m, second := read(first)
	if m.Whole || names(m) != "a" || len(m.Gone) != 0 {
		t.Errorf("a changed: %+v", m)
	}
	delete(station, "b")
	now = now.Add(livePace)
	if m, _ = read(second); m.Whole || names(m) != "" || !slices.Equal(m.Gone, []string{"b"}) {
		t.Errorf("b vanished: %+v", m)
	}
	if m, _ = read(first); m.Whole || names(m) != "a" || !slices.Equal(m.Gone, []string{"b"}) {
		t.Errorf("both at once: %+v", m)
	}
	station["b"] = "y"
	now = now.Add(livePace)
	if m, _ = read(first); names(m) != "a b" || len(m.Gone) != 0 {
		t.Errorf("b is back: %+v", m)
	}
	// More have vanished than are remembered: who hasn't heard of them is told everything.
	for i := range liveGone + 1 {
		station[strings.Repeat("c", i+1)] = i
	}
	now = now.Add(livePace)
	_, many := read(second)
	maps.DeleteFunc(station, func(k string, _ any) bool { return strings.HasPrefix(k, "c") })
	now = now.Add(livePace)
	if m, _ = read(many); !m.Whole || names(m) != "a b" {
		t.Errorf("too many have vanished: whole %v, %s", m.Whole, names(m))
	}
}

// liveReader reads one live stream into the whole that its messages make.
type liveReader struct {
	t     *testing.T
	lines *bufio.Scanner
	parts map[string]json.RawMessage
}

func (r *liveReader) next() api.LiveMessage {
	r.t.Helper()
	for r.lines.Scan() {
		data, ok := strings.CutPrefix(r.lines.Text(), "data: ")
		if !ok {
			continue
		}
		var m api.LiveMessage
		if err := json.Unmarshal([]byte(data), &m); err != nil {
			r.t.Fatal(err)
		}
		if m.Whole {
			clear(r.parts)
		}
		maps.Copy(r.parts, m.Set)
		for _, name := range m.Gone {
			delete(r.parts, name)
		}
		return m
	}
	r.t.Fatalf("the stream has ended: %v", r.lines.Err())
	return api.LiveMessage{}
}

func TestLiveStream(t *testing.T) {
	s := serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", s.Base+"/v1/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	r := &liveReader{t, bufio.NewScanner(resp.Body), map[string]json.RawMessage{}}
	if m := r.next(); !m.Whole {
		t.Errorf("the first message: %+v", m)
	}
	want := "journal nodes/fep1 nodes/fep2 nodes/wit rtus/1 rtus/2 station uplinks/backup/b uplinks/occ/main"
	if got := strings.Join(slices.Sorted(maps.Keys(r.parts)), " "); got != want {
		t.Errorf("parts %s, want %s", got, want)
	}
	s.node.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_Pin{Pin: &fsmpb.Pin{Resource: "rtu/1", Node: "fep1"}}})
	for {
		m := r.next()
		if _, ok := m.Set["rtus/2"]; ok || m.Whole {
			t.Errorf("told what has not changed: %+v", m)
		}
		if value, ok := m.Set["rtus/1"]; ok {
			var rtu api.RTUStatus
			if err := json.Unmarshal(value, &rtu); err != nil || rtu.Pinned != "fep1" {
				t.Errorf("%s, %v", value, err)
			}
			return
		}
	}
}
