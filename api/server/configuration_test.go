package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/fepha/fepha/api"
)

// fakeConfigurator remembers what it was asked.
type fakeConfigurator struct {
	bundle string
	dryRun bool
	origin string
	index  uint64
	err    error
}

func (f *fakeConfigurator) Running() api.ConfigStatus {
	return api.ConfigStatus{Node: "fep1", Digest: "abc", InForce: "def"}
}

func (f *fakeConfigurator) Settings() (json.RawMessage, error) {
	return json.RawMessage(`{"station":{"id":21,"name":"Demo station"},"rtus":[{"number":7,"name":"Pump"}]}`), nil
}

func (f *fakeConfigurator) Apply(_ context.Context, bundle []byte, dryRun bool, origin string) (api.ConfigReply, error) {
	f.bundle, f.dryRun, f.origin = string(bundle), dryRun, origin
	return api.ConfigReply{Digest: "abc", Applied: !dryRun, Changes: []api.ConfigChange{{What: "RTU 7", How: "added", Detail: "2 points", Drops: []string{}}}}, f.err
}

func (f *fakeConfigurator) Check(_ context.Context, bundle []byte, index uint64) error {
	f.bundle, f.index = string(bundle), index
	return f.err
}

func TestConfiguration(t *testing.T) {
	f := new(fakeConfigurator)
	s := serve(t, func(c *Config) { c.Configurator = f })
	if got, err := s.Config(t.Context()); err != nil || got != f.Running() {
		t.Errorf("running: %v, %+v", err, got)
	}
	for _, dryRun := range []bool{true, false} {
		r, err := s.ApplyConfig(t.Context(), []byte("packed"), dryRun)
		if err != nil || r.Applied == dryRun || len(r.Changes) != 1 || f.bundle != "packed" || f.dryRun != dryRun || f.origin == "" {
			t.Errorf("dry run %t: %v, %+v, asked %+v", dryRun, err, r, f)
		}
	}
	r, err := s.ApplyConfig(t.Context(), []byte("packed"), true)
	if err != nil || r.Changes[0].Text() != "RTU 7 added: 2 points" || r.Changes[0].TextZH != "新增 RTU 7：2 个点" {
		t.Errorf("in words: %+v, %v", r.Changes, err)
	}
	if settings, err := s.ConfigSettings(t.Context()); err != nil || !strings.HasPrefix(string(settings), `{"station":{"id":21,`) {
		t.Errorf("settings: %s, %v", settings, err)
	}
	if err := s.CheckConfig(t.Context(), []byte("other"), 4711); err != nil || f.bundle != "other" || f.index != 4711 {
		t.Errorf("check: %v, asked %+v", err, f)
	}
	for _, c := range []struct {
		err  error
		code api.Code
	}{{api.Invalid(errors.New("RTU 0")), api.CodeInvalid}, {api.Conflict(errors.New("fep2 is down")), api.CodeConflict}, {errors.New("disk"), api.CodeInternal}} {
		f.err = c.err
		_, err := s.ApplyConfig(t.Context(), []byte("packed"), false)
		if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != c.code || e.Message != c.err.Error() {
			t.Errorf("%v came as %v, want code %s", c.err, err, c.code)
		}
		if err := s.CheckConfig(t.Context(), []byte("packed"), 0); err == nil {
			t.Errorf("%v was lost", c.err)
		}
	}
	// What is wrong comes with its places.
	at := api.Problem{File: "rtu1.csv", Line: 3, Column: 5, Key: "ioa", Problem: "0 is out of range", Expected: "1 to 16777215"}
	f.err = &api.Error{Status: 400, Code: api.CodeInvalid, Message: "rtu1.csv:3:5", Problems: []api.Problem{at}}
	_, err = s.ApplyConfig(t.Context(), []byte("packed"), true)
	if e, ok := errors.AsType[*api.Error](err); !ok || len(e.Problems) != 1 || e.Problems[0] != at {
		t.Errorf("problems came as %+v", err)
	}
	for path, says := range map[string]string{"/v1/config": "packed", "/v1/config/check": "packed"} {
		s.refuses(t, http.StatusBadRequest, api.CodeInvalid, says, "POST", path, "")
	}
	s.refuses(t, http.StatusBadRequest, api.CodeInvalid, "dry_run", "POST", "/v1/config?dry_run=2", "x")
	s.refuses(t, http.StatusBadRequest, api.CodeInvalid, "index", "POST", "/v1/config/check?index=x", "x")

	none := serve(t)
	none.refuses(t, http.StatusNotFound, api.CodeNotFound, "configuration", "GET", "/v1/config", "")
	none.refuses(t, http.StatusNotFound, api.CodeNotFound, "configuration", "POST", "/v1/config", "x")
}

// blockedConfigurator checks until it is told to end.
type blockedConfigurator struct {
	fakeConfigurator
	began, end chan struct{}
}

func (f *blockedConfigurator) Apply(context.Context, []byte, bool, string) (api.ConfigReply, error) {
	f.began <- struct{}{}
	<-f.end
	return api.ConfigReply{}, nil
}

// One configuration is checked at a time, since a large one takes much memory; others are told so before they are read.
func TestOneConfigurationAtATime(t *testing.T) {
	f := &blockedConfigurator{began: make(chan struct{}), end: make(chan struct{})}
	s := serve(t, func(c *Config) { c.Configurator = f })
	first := make(chan error)
	go func() {
		_, err := s.ApplyConfig(t.Context(), []byte("packed"), false)
		first <- err
	}()
	<-f.began
	s.refuses(t, 503, api.CodeOverloaded, "another configuration is being checked", "POST", "/v1/config", "packed")
	if err := s.CheckConfig(t.Context(), []byte("other"), 0); err != nil {
		t.Errorf("what another node asks for waits for its own end: %v", err)
	}
	close(f.end)
	if err := <-first; err != nil {
		t.Error(err)
	}
	go func() { <-f.began }()
	if _, err := s.ApplyConfig(t.Context(), []byte("packed"), false); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
