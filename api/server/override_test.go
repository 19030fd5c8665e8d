package server

import (
	"strings"
	"testing"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

func TestOverrides(t *testing.T) {
	s := serve(t)
	p, err := s.Substitute(t.Context(), 1, "di", 17, api.OverrideRequest{State: "off", Reason: "broken contact"})
	if err != nil || p.ValueText != "off" || p.QualityText != "substituted" || p.Override == nil || p.Override.DeviceText != "on" || p.Override.Reason != "broken contact" {
		t.Fatalf("substituted: %+v %+v, %v", p, p.Override, err)
	}
	s.node.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_Events{Events: &fsmpb.Events{Rtu: 1, Epoch: 1, Batch: 2, Items: []*fsmpb.Item{
		{Kind: fsmpb.Kind_DI, Point: 17, Type: 30, Value: 1, Quality: 0x80, TimeMs: 1700000000200},
	}}}})
	if p, err = s.Point(t.Context(), 1, "di", 17); err != nil || p.ValueText != "off" || p.Override.DeviceText != "on (invalid)" || p.Override.DeviceToldTimes != 1 {
		t.Errorf("the device's event: %+v %+v, %v", p, p.Override, err)
	}
	if p, err = s.ReleasePoint(t.Context(), 1, "di", 17); err != nil || p.ValueText != "on" || p.QualityText != "invalid" || p.Override != nil {
		t.Errorf("released: %+v, %v", p, err)
	}
	if p, err = s.Block(t.Context(), 1, "ai", 3, api.OverrideRequest{Reason: "calibration"}); err != nil || p.QualityText != "blocked" || p.Value != 110.5 {
		t.Errorf("blocked: %+v, %v", p, err)
	}
	if p, err = s.Substitute(t.Context(), 1, "di", 99, api.OverrideRequest{State: "on", Reason: "no sensor"}); err != nil || p.Type != typeOfDI || p.Value != 1 || p.Override.Answered {
		t.Errorf("a point that was never told of: %+v, %v", p, err)
	}
	page, err := s.NewestEvents(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	var told string
	for _, e := range page.Events {
		told += e.Text + "\n"
	}
	for _, want := range []string{
		"1/di/17 Incomer 101 breaker: substituted: off by api:local (broken contact)", "1/di/17 Incomer 101 breaker: off (substituted)",
		"1/di/17 Incomer 101 breaker: released: on", "1/ai/3 Busbar voltage: blocked: 110.5",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("%q is not told:\n%s", want, told)
		}
	}

	s.refuses(t, 400, api.CodeInvalid, "reason", "POST", "/v1/points/1/di/17/block", `{}`)
	s.refuses(t, 400, api.CodeInvalid, "neither state nor value", "POST", "/v1/points/1/di/17/block", `{"reason":"x","state":"on"}`)
	s.refuses(t, 400, api.CodeInvalid, "either state or value", "POST", "/v1/points/1/di/17/substitute", `{"reason":"x"}`)
	s.refuses(t, 400, api.CodeInvalid, `["off" "on"]`, "POST", "/v1/points/1/di/17/substitute", `{"reason":"x","state":"open"}`)
	s.refuses(t, 400, api.CodeInvalid, "from 0 to 1", "POST", "/v1/points/1/di/17/substitute", `{"reason":"x","value":2}`)
	s.refuses(t, 400, api.CodeInvalid, "this is no state", "POST", "/v1/points/1/ai/3/substitute", `{"reason":"x","state":"on"}`)
	s.refuses(t, 404, api.CodeNotFound, "no point 1/di/98", "POST", "/v1/points/1/di/98/substitute", `{"reason":"x","state":"on"}`)
	s.refuses(t, 404, api.CodeNotFound, "no RTU 8", "POST", "/v1/points/8/di/1/block", `{"reason":"x"}`)
}

func TestOperable(t *testing.T) {
	s := serve(t, func(c *Config) {
		c.Controls = func(uint32) []fsm.PointKey {
			return []fsm.PointKey{{RTU: 1, Kind: fsm.DO, Point: 2}, {RTU: 1, Kind: fsm.AO, Point: 5}}
		}
	})
	list, err := s.Operable(t.Context(), 1)
	want := api.Operable{RTU: 1, Kind: "do", Point: 2, Name: "Incomer 101 breaker", Type: 46, Category: "DO"}
	if err != nil || len(list) != 2 || list[0] != want {
		t.Errorf("%+v, %v", list, err)
	}
	s.refuses(t, 404, api.CodeNotFound, "no RTU 8", "GET", "/v1/rtus/8/controls", "")
}
