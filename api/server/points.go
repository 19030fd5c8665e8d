package server

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/api/server/words"
	"github.com/fepha/fepha/fsm"
)

// PointInfo is what the configuration says of a point.
type PointInfo struct {
	Name     string
	Unit     string    // engineering, of an analog
	Type     uint8     // TypeID: of a control the command's, else what the device is expected to send; 0: any of the kind
	Category string    // of a control
	Off      api.Value // of a DO: the value that means off; on is one more
}

// named tells a point's name, and what a value of it means if it is a DO.
func (s *Server) named(k fsm.PointKey, value float64) (name, state string) {
	info, _ := s.cfg.Describe(k)
	return info.Name, stateOf(k.Kind, value, info)
}

// pointFilter says which points are asked for.
type pointFilter struct {
	rtu   uint32 // if one
	one   bool
	kind  fsm.Kind // KindNone: all
	after fsm.PointKey
	limit int
}

// listPoints answers ?rtu=N&kind=K&limit=N&after=KEY with the points that have
// a value: RTU by RTU, of each in the order in which they were first seen.
func (s *Server) listPoints(w http.ResponseWriter, r *http.Request) error {
	f, err := readPointFilter(r)
	if err != nil {
		return err
	}
	var rows []pointRow
	s.cfg.Node.View(func(state *fsm.State) { rows = f.read(state) })
	page := api.PointPage{Points: make([]api.Point, 0, f.limit)}
	if len(rows) > f.limit {
		rows = rows[:f.limit]
		page.Next = rows[f.limit-1].key.String()
	}
	for _, row := range rows {
		page.Points = append(page.Points, s.point(row))
	}
	return s.json.Reply(w, page)
}

func readPointFilter(r *http.Request) (f pointFilter, err error) {
	if err := rest.CheckQuery(r, "rtu", "kind", "limit", "after"); err != nil {
		return f, err
	}
	q := r.URL.Query()
	if text := q.Get("rtu"); text != "" {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return f, rest.Invalid("rtu=%q: expected a number", text)
		}
		f.rtu, f.one = uint32(n), true
	}
	if text := q.Get("kind"); text != "" {
		if f.kind, err = monitoredKind(text); err != nil {
			return f, err
		}
	}
	limit, err := rest.QueryNumber(r, "limit", rest.DefaultPage, rest.MaxPage)
	if err != nil {
		return f, err
	}
	f.limit = int(max(limit, 1))
	if text := q.Get("after"); text != "" {
		if f.after, err = parsePointKey(text); err != nil {
			return f, err
		}
	}
	return f, nil
}

// read gathers one point more than the limit, to see whether there is one.
func (f pointFilter) read(state *fsm.State) (rows []pointRow) {
	rtus := []uint32{f.rtu}
	if !f.one {
		rtus = state.PointRTUs()
	}
	for _, rtu := range rtus {
		if rtu < f.after.RTU {
			continue
		}
		skip := rtu == f.after.RTU && f.after != (fsm.PointKey{})
		for k, p := range state.Points(rtu) {
			if skip {
				skip = k != f.after
				continue
			}
			if f.kind != fsm.KindNone && k.Kind != f.kind {
				continue
			}
			rows = append(rows, rowOf(state, k, p))
			if len(rows) > f.limit {
				return rows
			}
		}
	}
	return rows
}

// pointRow is what the state says of a point.
type pointRow struct {
	key      fsm.PointKey
	value    fsm.Point
	override *fsm.Override // nil: none is in force
}

func rowOf(state *fsm.State, k fsm.PointKey, p fsm.Point) pointRow {
	row := pointRow{key: k, value: p}
	if o, overridden := state.Override(k); overridden {
		row.override = &o
	}
	return row
}

func (s *Server) showPoint(w http.ResponseWriter, r *http.Request) error {
	k, err := parsePointKey(r.PathValue("rtu") + "/" + r.PathValue("kind") + "/" + r.PathValue("point"))
	if err != nil {
		return err
	}
	row, ok := s.findPoint(k)
	if !ok {
		if info, known := s.cfg.Describe(k); known {
			return rest.NotFound("point %v (%s) has no value yet", k, info.Name)
		}
		return rest.NotFound("no point %v", k)
	}
	return s.json.Reply(w, s.point(row))
}

// showTrend answers with the course of an analog; of one that has not changed since nothing is missing, with its value alone.
func (s *Server) showTrend(w http.ResponseWriter, r *http.Request) error {
	k, err := parsePointKey(r.PathValue("rtu") + "/" + r.PathValue("kind") + "/" + r.PathValue("point"))
	if err != nil {
		return err
	}
	if k.Kind != fsm.AI {
		return rest.Invalid("point %v: expected an ai: what others did is in the journal", k)
	}
	row, ok := s.findPoint(k)
	if !ok {
		return rest.NotFound("no point %v, or it has no value yet", k)
	}
	out := api.Trend{NowMs: time.Now().UnixMilli(), Samples: []api.TrendSample{}}
	samples, from := s.cfg.Trend(k, out.NowMs)
	out.CompleteFromMs = from
	for _, p := range samples {
		out.Samples = append(out.Samples, api.TrendSample{TimeMs: p.TimeMs, Value: api.Value(p.Value), Quality: p.Quality})
	}
	if len(samples) == 0 {
		out.Samples = append(out.Samples, api.TrendSample{TimeMs: from, Value: api.Value(row.value.Value), Quality: row.value.Quality})
	}
	return s.json.Reply(w, out)
}

func (s *Server) findPoint(k fsm.PointKey) (row pointRow, ok bool) {
	s.cfg.Node.View(func(state *fsm.State) {
		var p fsm.Point
		p, ok = state.Point(k)
		row = rowOf(state, k, p)
	})
	return row, ok
}

func (s *Server) point(row pointRow) api.Point {
	k, p := row.key, row.value
	info, _ := s.cfg.Describe(k)
	value, valueZH := words.Value(&p)
	quality, qualityZH := words.Quality(&p)
	return api.Point{
		ValueText: value, ValueTextZH: valueZH, QualityText: quality, QualityTextZH: qualityZH,
		RTU: k.RTU, Kind: k.Kind.String(), Point: k.Point, Name: info.Name, Unit: info.Unit,
		Value: api.Value(p.Value), Quality: p.Quality, Type: p.Type, Transient: p.Transient, TimeFlags: words.TimeFlags(p.Time), TimeMs: p.TimeMs, Seq: p.Seq,
		Override: describeOverride(row.override), Uplinks: s.cfg.Addresses(k),
	}
}

// parsePointKey reads rtu/kind/point, such as 1/di/17.
func parsePointKey(text string) (k fsm.PointKey, err error) {
	parts := strings.Split(text, "/")
	if len(parts) != 3 {
		return k, rest.Invalid("point %q: expected rtu/kind/point, such as 1/di/17", text)
	}
	rtu, errRTU := strconv.ParseUint(parts[0], 10, 32)
	point, errPoint := strconv.ParseUint(parts[2], 10, 32)
	if errRTU != nil || errPoint != nil {
		return k, rest.Invalid("point %q: expected rtu/kind/point, such as 1/di/17", text)
	}
	kind, err := monitoredKind(parts[1])
	return fsm.PointKey{RTU: uint32(rtu), Kind: kind, Point: uint32(point)}, err
}

// monitoredKind reads the kind of a point that has a value.
func monitoredKind(text string) (fsm.Kind, error) {
	switch k, _ := fsm.ParseKind(text); k {
	case fsm.DI, fsm.AI, fsm.Counter, fsm.Bitstring:
		return k, nil
	}
	return fsm.KindNone, rest.Invalid("kind %q: expected di, ai, counter or bitstring", text)
}
