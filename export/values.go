package export

import (
	"time"

	"github.com/fepha/fepha/fsm"
)

// sampler reads the values that have changed since it was asked last.
type sampler struct {
	cfg    *Config
	states bool

	known   bool   // version is where to go on
	version uint64 // of the image
	waiting []fsm.PointKey
	at      time.Time
}

// anew makes the next sample one of all points: it isn't known what the target has.
func (s *sampler) anew() { s.known, s.waiting = false, nil }

// next returns at most limit values, and whether there are more of the same sample.
func (s *sampler) next(limit int) (values []Value, more bool) {
	s.cfg.Replica.View(func(st *fsm.State) {
		if len(s.waiting) == 0 {
			s.look(st)
		}
		for len(s.waiting) > 0 && len(values) < limit {
			k := s.waiting[0]
			s.waiting = s.waiting[1:]
			if p, ok := st.Point(k); ok {
				values = append(values, s.cfg.value(k, p, s.at))
			}
		}
	})
	return values, len(s.waiting) > 0
}

// look notes which points have changed.
func (s *sampler) look(st *fsm.State) {
	keys, ok := st.ChangesAfter(s.version)
	if !ok || !s.known {
		keys = keys[:0]
		for _, rtu := range st.PointRTUs() {
			for k := range st.Points(rtu) {
				keys = append(keys, k)
			}
		}
	}
	s.known, s.version, s.at = true, st.Version(), time.Now().In(s.cfg.Location).Truncate(time.Millisecond)
	for _, k := range keys {
		if s.states || k.Kind == fsm.AI || k.Kind == fsm.Counter {
			s.waiting = append(s.waiting, k)
		}
	}
}

func (c *Config) value(k fsm.PointKey, p fsm.Point, at time.Time) Value {
	name, unit := c.Words.Point(k)
	return Value{
		Station: c.Station, Time: at, RTU: k.RTU, Kind: k.Kind.String(), Point: k.Point, Name: name, Unit: unit, Value: p.Value,
		Quality: c.quality(p.Type, p.Quality),
	}
}

func (c *Config) quality(typeID, quality uint8) string {
	if words := c.Words.Quality(typeID, quality); words != "" {
		return words
	}
	return "good"
}

// record is a record of the state as the targets take it.
func (c *Config) record(r *fsm.Record) Record {
	if a := r.Audit; a != nil {
		return Record{
			Station: c.Station, Seq: r.Seq, Time: time.UnixMilli(a.TimeMs).In(c.Location), Kind: KindAudit, Name: c.Words.Sentence(a),
			Source: a.Node, Audit: a,
		}
	}
	e := &r.Event
	name, unit := c.Words.Point(e.Key())
	source := sourceDevice
	if e.Time>>16&substituted != 0 {
		source = SourceStation
	}
	return Record{
		Station: c.Station, Seq: e.Seq, Time: time.UnixMilli(e.TimeMs).In(c.Location), RTU: e.RTU, Kind: e.Kind.String(), Point: e.Point,
		Name: name, Unit: unit, Value: e.Value, Quality: c.quality(e.Type, e.Quality), Source: source,
	}
}

// substituted is RES1 of a time tag's third octet (IEC 60870-5-101, 7.2.6.18): fepha has made the time.
const substituted = 0x40
