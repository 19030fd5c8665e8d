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

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm/fsmpb"
)

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
