package export

import (
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	"github.com/fepha/fepha/fsm"
)

// KindAudit is the Kind of records that are entries of the audit.
const KindAudit = "audit"

// SourceStation is the Source of events whose time the station has made.
const SourceStation = "station"

// sourceDevice is the Source of events that bear their device's time.
const sourceDevice = "device"

// Record is one event, or one entry of the audit. (Station, Seq) is its key in every target.
type Record struct {
	Station uint16
	Seq     uint64
	Time    time.Time // in the station's zone, to the millisecond
	RTU     uint32    // 0: of no RTU
	Kind    string    // di, ai, counter, do, ao; or audit
	Point   uint32
	Name    string // of the point; of the audit what is told, as a sentence
	Unit    string
	Value   float64
	Quality string // good, or what is against it, in words
	Source  string // device: the time is the device's; station: it's fepha's; of the audit the node

	Audit *fsm.AuditEntry // nil: an event
}

// Columns are the names of a record's columns, in every target that has columns.
var Columns = []string{"station", "seq", "time", "rtu", "kind", "point", "name", "value", "quality", "source"}

// Row is a record as texts, in the order of [Columns]. What an entry of the audit doesn't have is empty.
func (r *Record) Row() []string {
	row := []string{
		strconv.Itoa(int(r.Station)), strconv.FormatUint(r.Seq, 10), r.Time.Format(TimeFormat), "", r.Kind, "", r.Name, "", r.Quality, r.Source,
	}
	if r.RTU != 0 {
		row[3], row[5] = strconv.FormatUint(uint64(r.RTU), 10), strconv.FormatUint(uint64(r.Point), 10)
		row[7] = strconv.FormatFloat(r.Value, 'g', -1, 64)
	}
	return row
}

// TimeFormat is RFC 3339 with milliseconds and the station's offset.
const TimeFormat = "2006-01-02T15:04:05.000Z07:00"

// jsonRecord is a record as JSON. A value that JSON can't say (NaN, infinite) is absent, and its quality says invalid.
type jsonRecord struct {
	Station uint16          `json:"station"`
	Seq     uint64          `json:"seq"`
	Time    string          `json:"time"`
	TimeMs  int64           `json:"time_ms"`
	RTU     uint32          `json:"rtu,omitempty"`
	Kind    string          `json:"kind"`
	Point   uint32          `json:"point,omitempty"`
	Name    string          `json:"name"`
	Value   *jsonNumber     `json:"value,omitempty"`
	Unit    string          `json:"unit,omitempty"`
	Quality string          `json:"quality,omitempty"`
	Source  string          `json:"source"`
	Audit   json.RawMessage `json:"audit,omitempty"` // as it is hashed, see fsm.AuditEntry.Content
	Hash    string          `json:"hash,omitempty"`
}

type jsonNumber float64

// MarshalJSON implements json.Marshaler.
func (n jsonNumber) MarshalJSON() ([]byte, error) {
	b, err := json.Marshal(float64(n))
	if err != nil { // NaN, or infinite
		return []byte("null"), nil
	}
	return b, nil
}

// JSON is the record as one JSON object.
func (r *Record) JSON() []byte {
	j := jsonRecord{
		Station: r.Station, Seq: r.Seq, Time: r.Time.Format(TimeFormat), TimeMs: r.Time.UnixMilli(), RTU: r.RTU, Kind: r.Kind,
		Point: r.Point, Name: r.Name, Unit: r.Unit, Quality: r.Quality, Source: r.Source,
	}
	if r.RTU != 0 {
		v := jsonNumber(r.Value)
		j.Value = &v
	}
	if r.Audit != nil {
		j.Audit, j.Hash = r.Audit.Content(), hex.EncodeToString(r.Audit.Hash[:])
	}
	b, err := json.Marshal(&j)
	if err != nil {
		panic(err) // there is nothing in it that JSON can't say
	}
	return b
}

// Value is what a point shows at one instant.
type Value struct {
	Station uint16
	Time    time.Time // when it was sampled
	RTU     uint32
	Kind    string
	Point   uint32
	Name    string
	Unit    string
	Value   float64
	Quality string
}

// JSON is the value as one JSON object.
func (v *Value) JSON() []byte {
	n := jsonNumber(v.Value)
	b, err := json.Marshal(&struct {
		Station uint16      `json:"station"`
		Time    string      `json:"time"`
		TimeMs  int64       `json:"time_ms"`
		RTU     uint32      `json:"rtu"`
		Kind    string      `json:"kind"`
		Point   uint32      `json:"point"`
		Name    string      `json:"name"`
		Value   *jsonNumber `json:"value"`
		Unit    string      `json:"unit,omitempty"`
		Quality string      `json:"quality"`
	}{v.Station, v.Time.Format(TimeFormat), v.Time.UnixMilli(), v.RTU, v.Kind, v.Point, v.Name, &n, v.Unit, v.Quality})
	if err != nil {
		panic(err)
	}
	return b
}
