package server

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/trend"
)

func TestPoints(t *testing.T) {
	s := serve(t)
	keys := func(q client.PointQuery) (list []string, next string) {
		t.Helper()
		page, err := s.Points(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Points {
			list = append(list, p.Kind+"/"+p.Name)
		}
		return list, page.Next
	}
	one, two := uint32(1), uint32(2)
	for _, tc := range []struct {
		name string
		q    client.PointQuery
		want int
		next string
	}{
		{"all", client.PointQuery{}, 3, ""},
		{"of one RTU", client.PointQuery{RTU: &one}, 3, ""},
		{"of an RTU without values", client.PointQuery{RTU: &two}, 0, ""},
		{"of one kind", client.PointQuery{Kind: "di"}, 2, ""},
		{"first page", client.PointQuery{Limit: 2}, 2, "1/di/18"},
		{"next page", client.PointQuery{Limit: 2, After: "1/di/18"}, 1, ""},
		{"page that is just full", client.PointQuery{Limit: 3}, 3, ""},
		{"after the last", client.PointQuery{After: "1/ai/3"}, 0, ""},
		{"after one of an RTU that has gone", client.PointQuery{After: "7/ai/3"}, 0, ""},
	} {
		if list, next := keys(tc.q); len(list) != tc.want || next != tc.next {
			t.Errorf("%s: %q next %q, want %d next %q", tc.name, list, next, tc.want, tc.next)
		}
	}
	p, err := s.Point(t.Context(), 1, "ai", 3)
	if want := (api.Point{RTU: 1, Kind: "ai", Point: 3, Name: "Busbar voltage", Unit: "kV", ValueText: "110.5", ValueTextZH: "110.5", Value: 110.5, Type: 36, Time: "2023-11-14T22:13:20.125Z", TimeMs: 1700000000125, Seq: 11}); err != nil || !reflect.DeepEqual(p, want) {
		t.Errorf("%+v, %v, want %+v", p, err, want)
	}
	s.refuses(t, 404, api.CodeNotFound, "no value yet", "GET", "/v1/points/1/di/99", "")
	s.refuses(t, 404, api.CodeNotFound, "no point 1/di/98", "GET", "/v1/points/1/di/98", "")
	s.refuses(t, 400, api.CodeInvalid, "expected di, ai, counter or bitstring", "GET", "/v1/points/1/do/2", "")
	s.refuses(t, 400, api.CodeInvalid, "rtu/kind/point", "GET", "/v1/points/x/di/2", "")
	s.refuses(t, 400, api.CodeInvalid, "rtu", "GET", "/v1/points?rtu=x", "")
	s.refuses(t, 400, api.CodeInvalid, "kind", "GET", "/v1/points?kind=dx", "")
	s.refuses(t, 400, api.CodeInvalid, "at most 10000", "GET", "/v1/points?limit=10001", "")
}

func TestTrend(t *testing.T) {
	k := fsm.PointKey{RTU: 1, Kind: fsm.AI, Point: 3}
	known := []trend.Sample{{TimeMs: 5, Value: 1.5}, {TimeMs: 9, Value: 110.5, Quality: 0x10}}
	s := serve(t, func(c *Config) {
		c.Trend = func(asked fsm.PointKey, _ int64) ([]trend.Sample, int64) {
			if asked != k {
				t.Errorf("asked for %v", asked)
			}
			return known, 7
		}
	})
	got, err := s.Trend(t.Context(), 1, 3)
	if err != nil || got.CompleteFromMs != 7 || len(got.Samples) != 2 || got.Samples[1] != (api.TrendSample{TimeMs: 9, Value: 110.5, Quality: 0x10}) {
		t.Errorf("%+v, %v", got, err)
	}
	known = nil // it has not changed for so long
	if got, err = s.Trend(t.Context(), 1, 3); err != nil || len(got.Samples) != 1 || got.Samples[0] != (api.TrendSample{TimeMs: 7, Value: 110.5}) {
		t.Errorf("%+v, %v", got, err)
	}
	s.refuses(t, 400, api.CodeInvalid, "expected an ai", "GET", "/v1/points/1/di/17/trend", "")
	s.refuses(t, 404, api.CodeNotFound, "no value yet", "GET", "/v1/points/1/ai/99/trend", "")
}

// Devices send what JSON has no numbers for; it must neither end a stream nor
// turn into a 0.
func TestValuesThatAreNoNumbers(t *testing.T) {
	s := serve(t)
	s.node.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_Events{Events: &fsmpb.Events{Rtu: 1, Epoch: 1, Batch: 2, Items: []*fsmpb.Item{
		{Kind: fsmpb.Kind_AI, Point: 3, Type: 36, Value: math.NaN()}, {Kind: fsmpb.Kind_AI, Point: 4, Type: 36, Value: math.Inf(-1)},
	}}}})
	if p, err := s.Point(t.Context(), 1, "ai", 3); err != nil || !math.IsNaN(float64(p.Value)) {
		t.Errorf("%v, %v", p.Value, err)
	}
	page, err := s.NewestEvents(t.Context(), 2)
	if err != nil || len(page.Events) != 2 || !math.IsNaN(float64(page.Events[0].Value)) || !math.IsInf(float64(page.Events[1].Value), -1) {
		t.Errorf("%+v, %v", page, err)
	}
}

func TestValueRoundTrip(t *testing.T) {
	for _, f := range []float64{0, -1.5, 1e300, math.NaN(), math.Inf(1), math.Inf(-1)} {
		b, err := json.Marshal(api.Value(f))
		if err != nil {
			t.Fatal(err)
		}
		var v api.Value
		if err := json.Unmarshal(b, &v); err != nil || float64(v) != f && !(math.IsNaN(f) && math.IsNaN(float64(v))) {
			t.Errorf("%v: %s: %v, %v", f, b, v, err)
		}
	}
	if err := json.Unmarshal([]byte(`"high"`), new(api.Value)); err == nil {
		t.Error("a word is no value")
	}
}
