package server

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// device answers the controls of the fake station as its owner does: it starts
// each, and then says ok or why not. "" keeps silent.
func (n *fakeNode) device(answer func(*fsmpb.ControlSubmit) (ok bool, reason string)) *sync.WaitGroup {
	var wg sync.WaitGroup
	n.station.OnCommit(func(_ *fsm.State, c *fsmpb.Command) {
		submit := c.GetControlSubmit()
		if submit == nil {
			return
		}
		submit = &fsmpb.ControlSubmit{Id: submit.Id, Phase: submit.Phase, Value: submit.Value, Point: submit.Point}
		wg.Go(func() {
			ok, reason := answer(submit)
			if !ok && reason == "" {
				return
			}
			n.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_ControlStart{ControlStart: &fsmpb.ControlStart{Id: submit.Id, Epoch: 1, Node: "fep1"}}})
			n.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_ControlResult{ControlResult: &fsmpb.ControlResult{
				Id: submit.Id, Epoch: 1, Ok: ok, Reason: reason, Terminated: true, Cause: 10,
			}}})
		})
	})
	return &wg
}

func TestControls(t *testing.T) {
	s := serve(t)
	var mu sync.Mutex
	var phases []string
	wg := s.node.device(func(c *fsmpb.ControlSubmit) (bool, string) {
		mu.Lock()
		defer mu.Unlock()
		phases = append(phases, fsm.ControlPhase(c.Phase).String())
		if c.Value == 2 && c.Phase != fsmpb.ControlSubmit_SELECT || c.Point == 5 && c.Phase == fsmpb.ControlSubmit_SELECT {
			return false, "refused by the device"
		}
		return true, ""
	})
	defer wg.Wait()
	for _, tc := range []struct {
		name   string
		req    api.ControlRequest
		phases string
		phase  string
		ok     bool
	}{
		{"direct", api.ControlRequest{RTU: 1, Kind: "do", Point: 2, Value: new(1.0)}, "direct", "direct", true},
		{"direct, refused", api.ControlRequest{RTU: 1, Kind: "do", Point: 2, Value: new(2.0)}, "direct", "direct", false},
		{"selected", api.ControlRequest{RTU: 1, Kind: "do", Point: 2, Value: new(1.0), Select: true}, "select execute", "execute", true},
		{"selected, execute refused", api.ControlRequest{RTU: 1, Kind: "do", Point: 2, Value: new(2.0), Select: true}, "select execute", "execute", false},
		{"by name", api.ControlRequest{RTU: 1, Kind: "do", Point: 2, State: "off"}, "direct", "direct", true},
		{"select refused", api.ControlRequest{RTU: 1, Kind: "ao", Point: 5, Value: new(7.5), Select: true}, "select", "select", false},
	} {
		mu.Lock()
		phases = nil
		mu.Unlock()
		c, err := s.Control(t.Context(), tc.req)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		mu.Lock()
		if got := strings.Join(phases, " "); got != tc.phases || c.Phase != tc.phase || c.OK != tc.ok || c.Stage != "done" || c.OK == (c.Reason != "") {
			t.Errorf("%s: phases %q, %+v", tc.name, got, c)
		}
		mu.Unlock()
		if c.Origin != "api:local" || c.Name == "" || c.Type == 0 || c.Node != "fep1" || !strings.HasPrefix(c.ID, "api-") {
			t.Errorf("%s: %+v", tc.name, c)
		}
	}
	// The point is a double command, in which on is 2: whoever says on need not know.
	states := map[string]float64{"on": 2, "off": 1}
	list, err := s.Controls(t.Context(), 1, 100)
	for _, c := range list {
		if c.Kind == "do" && states[c.State] != float64(c.Value) || c.Kind == "ao" && c.State != "" {
			t.Errorf("%+v", c)
		}
	}
	if err != nil || len(list) != 8 {
		t.Fatalf("%d controls, %v", len(list), err)
	}
	ids := map[string]bool{}
	for i, c := range list {
		ids[c.ID] = true
		if i > 0 && c.SubmittedMs < list[i-1].SubmittedMs {
			t.Errorf("control %d was submitted before the one before it", i)
		}
	}
	if len(ids) != len(list) {
		t.Error("ids are not unique")
	}
	if newest, err := s.Controls(t.Context(), 0, 1); err != nil || len(newest) != 1 || newest[0].ID != list[7].ID {
		t.Errorf("the newest: %+v, %v", newest, err)
	}
	if none, err := s.Controls(t.Context(), 2, 10); err != nil || len(none) != 0 {
		t.Errorf("of RTU 2: %+v, %v", none, err)
	}
	var one api.Control
	if _, text := s.request(t, "GET", "/v1/controls/"+list[0].ID, ""); json.Unmarshal([]byte(text), &one) != nil || one != list[0] {
		t.Errorf("one: %s", text)
	}
	s.refuses(t, 404, api.CodeNotFound, "forgotten", "GET", "/v1/controls/none", "")
}

// A qualifier is the number that people know, whatever its place in the octet.
func TestQualifiers(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, s served) {
		for text, want := range map[string]struct{ number, octet uint8 }{
			``: {0, 0}, `,"qualifier":"long"`: {2, 8}, `,"qualifier":2`: {2, 8}, `,"qualifier":"31"`: {31, 124},
		} {
			_, answer := s.request(t, "POST", "/v1/controls", `{"rtu":1,"kind":"do","point":2,"state":"on","timeout_ms":1000`+text+`}`)
			var c api.Control
			if err := json.Unmarshal([]byte(answer), &c); err != nil || c.Qualifier != want.number {
				t.Errorf("%s: %s", text, answer)
			}
			s.node.View(func(state *fsm.State) {
				if got, _ := state.Control(c.ID); got.Qualifier != want.octet {
					t.Errorf("%s: %#x in the octet, expected %#x", text, got.Qualifier, want.octet)
				}
			})
		}
	})
}

// A control that nobody answers ends with its deadline, and is not sent later.
func TestControlWithoutAnswer(t *testing.T) {
	s := serve(t)
	began := time.Now()
	c, err := s.Control(t.Context(), api.ControlRequest{RTU: 1, Kind: "do", Point: 2, State: "on", TimeoutMs: 200})
	if err != nil || c.Stage != "done" || c.OK || c.Reason != "deadline" {
		t.Errorf("%+v, %v", c, err)
	}
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Errorf("ended after %v", took)
	}
	if r := s.node.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_ControlStart{ControlStart: &fsmpb.ControlStart{Id: c.ID, Epoch: 1, Node: "fep1"}}}); r.Code == fsmpb.Result_OK {
		t.Error("it can still be started")
	}
}

func TestControlsThatAreRefused(t *testing.T) {
	s := serve(t)
	for _, tc := range []struct {
		body   string
		status int
		code   api.Code
		says   string
	}{
		{`{"rtu":1,"kind":"di","point":17}`, 400, api.CodeInvalid, "expected do or ao"},
		{`{"rtu":1,"kind":"do","point":3,"value":1}`, 404, api.CodeNotFound, "1/do/3"},
		{`{"rtu":1,"kind":"do","point":2,"value":1,"timeout_ms":60001}`, 400, api.CodeInvalid, "60000"},
		{`{"rtu":1,"kind":"do","point":2,"value":1,"timeout_ms":-1}`, 400, api.CodeInvalid, "timeout_ms"},
		{`{"rtu":1,"kind":"do","point":2,"value":1,"qualifier":32}`, 400, api.CodeInvalid, "short, long, persistent, or QU, 0 to 31"},
		{`{"rtu":1,"kind":"do","point":2,"value":1,"qualifier":"brief"}`, 400, api.CodeInvalid, "brief"},
		{`{"rtu":1,"kind":"do","point":2,"value":1,"qualifier":[1]}`, 400, api.CodeInvalid, "qualifier"},
		{`{"rtu":1,"kind":"do","point":2,"value":"on"}`, 400, api.CodeInvalid, "value"},
		{`{"rtu":1,"kind":"do","point":2}`, 400, api.CodeInvalid, "either state or value"},
		{`{"rtu":1,"kind":"do","point":2,"value":1,"state":"on"}`, 400, api.CodeInvalid, "either state or value"},
		{`{"rtu":1,"kind":"do","point":2,"state":"open"}`, 400, api.CodeInvalid, "expected on or off"},
		{`{"rtu":1,"kind":"ao","point":5,"state":"on"}`, 400, api.CodeInvalid, "no DO"},
		{`{"rtu":1,"kind":"do","point":2,"value":1,"force":true}`, 400, api.CodeInvalid, `"force"`},
	} {
		s.refuses(t, tc.status, tc.code, tc.says, "POST", "/v1/controls", tc.body)
	}
	if list, err := s.Controls(t.Context(), 0, 10); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
}

// What another has selected or is operating is his.
func TestControlOfAPointThatAnotherOperates(t *testing.T) {
	s := serve(t)
	submit := &fsmpb.ControlSubmit{
		Id: "occ-1", Origin: "occ", Rtu: 1, Kind: fsmpb.Kind_DO, Point: 2, Type: 46, Value: 1, Phase: fsmpb.ControlSubmit_SELECT,
		DeadlineMs: time.Now().Add(time.Minute).UnixMilli(),
	}
	s.node.apply("fep2", &fsmpb.Command{Op: &fsmpb.Command_ControlSubmit{ControlSubmit: submit}})
	const body = `{"rtu":1,"kind":"do","point":2,"value":1}`
	s.refuses(t, 409, api.CodeConflict, "under way, by occ", "POST", "/v1/controls", body)
	s.node.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_ControlStart{ControlStart: &fsmpb.ControlStart{Id: "occ-1", Epoch: 1, Node: "fep1"}}})
	s.node.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_ControlResult{ControlResult: &fsmpb.ControlResult{Id: "occ-1", Epoch: 1, Ok: true}}})
	s.refuses(t, 409, api.CodeConflict, "selected by occ", "POST", "/v1/controls", body)
}

// A request that its client gave up on still gets its one final answer.
func TestControlEndsWithoutItsClient(t *testing.T) {
	s := serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := s.Control(ctx, api.ControlRequest{RTU: 1, Kind: "do", Point: 2, State: "on", TimeoutMs: 300})
		gone <- err
	}()
	var list []api.Control
	within(t, "the control", func() bool {
		list, _ = s.Controls(t.Context(), 0, 10)
		return len(list) == 1
	})
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("the client: %v", err)
	}
	within(t, "its end", func() bool {
		list, _ = s.Controls(t.Context(), 0, 10)
		return list[0].Stage == "done"
	})
}

// Step by step: a selection is executed, or cancelled, by a request of its own, once.
func TestControlStepByStep(t *testing.T) {
	s := serve(t)
	wg := s.node.device(func(*fsmpb.ControlSubmit) (bool, string) { return true, "" })
	defer wg.Wait()
	step := func(phase, selection string) api.Control {
		t.Helper()
		c, err := s.Control(t.Context(), api.ControlRequest{RTU: 1, Kind: "do", Point: 2, State: "on", Phase: phase, SelectID: selection})
		if err != nil || !c.OK || c.Phase != phase {
			t.Fatalf("%s: %+v, %v", phase, c, err)
		}
		return c
	}
	first := step(api.PhaseSelect, "")
	step(api.PhaseExecute, first.ID)
	step(api.PhaseCancel, step(api.PhaseSelect, "").ID)
	const point = `{"rtu":1,"kind":"do","point":2,"state":"on"`
	s.refuses(t, 409, api.CodeConflict, "", "POST", "/v1/controls", point+`,"phase":"execute","select_id":"`+first.ID+`"}`)
	s.refuses(t, 400, api.CodeInvalid, "select_id", "POST", "/v1/controls", point+`,"phase":"execute"}`)
	s.refuses(t, 400, api.CodeInvalid, "select_id", "POST", "/v1/controls", point+`,"phase":"select","select_id":"x"}`)
	s.refuses(t, 400, api.CodeInvalid, "no phase with select", "POST", "/v1/controls", point+`,"phase":"select","select":true}`)
	s.refuses(t, 400, api.CodeInvalid, "expected select, execute or cancel", "POST", "/v1/controls", point+`,"phase":"go"}`)
}
