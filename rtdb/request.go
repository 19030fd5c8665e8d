package rtdb

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

const (
	// requestTimeout is how long after it was written a request without a deadline may be executed.
	requestTimeout = 10 * time.Second

	// maxRequestTimeout is how far ahead of this node's clock a deadline may be.
	maxRequestTimeout = 60 * time.Second

	maxRequestID = 128 // octets
)

// request is an entry of ctl:req.
type request struct {
	entry    string // id of the entry
	id       string // the requester's own; in the answer it stands as it came
	point    fsm.PointKey
	value    float64
	selects  bool  // select before operate
	octet    uint8 // QU or QL, at its place
	deadline time.Time
}

// readRequest reads an entry. What is wrong with it is said to the requester; entry and id are right even then.
func readRequest(m redis.XMessage) (request, error) {
	r := request{entry: m.ID}
	if m.Values == nil {
		return r, fmt.Errorf("the entry was removed from the stream")
	}
	text := func(name string) string {
		s, _ := m.Values[name].(string)
		return s
	}
	r.id = text("id")
	if r.id == "" || len(r.id) > maxRequestID || !utf8.ValidString(r.id) {
		r.id = r.id[:min(len(r.id), maxRequestID)]
		return r, fmt.Errorf("id: expected 1 to %d octets of UTF-8", maxRequestID)
	}
	number := func(name string) (uint32, error) {
		n, err := strconv.ParseUint(text(name), 10, 32)
		if err != nil {
			return 0, fmt.Errorf("%s %.40q: expected a number of 0 to %d", name, text(name), uint32(math.MaxUint32))
		}
		return uint32(n), nil
	}
	var err error
	if r.point.RTU, err = number("rtu"); err != nil {
		return r, err
	}
	if r.point.Point, err = number("point"); err != nil {
		return r, err
	}
	if r.point.Kind, _ = fsm.ParseKind(text("kind")); r.point.Kind != fsm.DO && r.point.Kind != fsm.AO {
		return r, fmt.Errorf("kind %.40q: expected do or ao", text("kind"))
	}
	if r.value, err = strconv.ParseFloat(text("val"), 64); err != nil || math.IsNaN(r.value) || math.IsInf(r.value, 0) {
		return r, fmt.Errorf("val %.40q: expected a number", text("val"))
	}
	if s := text("select"); s != "" {
		if r.selects, err = strconv.ParseBool(s); err != nil {
			return r, fmt.Errorf("select %.40q: expected 0 or 1", s)
		}
	}
	if r.octet, err = fsm.ParseQualifier(r.point.Kind, text("qualifier")); err != nil {
		return r, err
	}
	r.deadline, err = readDeadline(text("deadline"), m.ID)
	return r, err
}

// readDeadline reads ms since 1970-01-01 UTC. Without them the entry's own time counts: whoever reads the request, and
// however often, it has one deadline.
func readDeadline(text, entry string) (time.Time, error) {
	if text != "" {
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return time.Time{}, fmt.Errorf("deadline %.40q: expected ms since 1970-01-01 UTC", text)
		}
		return time.UnixMilli(ms), nil
	}
	first, _, _ := strings.Cut(entry, "-")
	ms, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("there is no deadline, and the entry's id %s has no time", entry)
	}
	return time.UnixMilli(ms).Add(requestTimeout), nil
}

// submit is the control that a request asks for, under an id that follows from the entry alone.
func (r *request) submit(prefix string, c Control) *fsmpb.ControlSubmit {
	return &fsmpb.ControlSubmit{
		Id: prefix + r.entry, Origin: "redis:" + r.id, Requester: "redis", Rtu: r.point.RTU, Kind: r.point.Kind.Proto(), Point: r.point.Point,
		Type: uint32(c.Type), Value: r.value, Qualifier: uint32(r.octet), DeadlineMs: r.deadline.UnixMilli(), Category: c.Category,
		Alone: true,
	}
}
