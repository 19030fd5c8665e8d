package api

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/fepha/fepha/fsm"
)

// Event is one record of the journal. A point's event has RTU to Quality; an
// audit event has Note instead.
type Event struct {
	Seq     uint64 `json:"seq"`
	TimeMs  int64  `json:"time_ms"` // ms since 1970-01-01 UTC
	RTU     uint32 `json:"rtu,omitempty"`
	Kind    string `json:"kind"` // di | ai | counter | note
	Point   uint32 `json:"point,omitempty"`
	Type    uint8  `json:"type,omitempty"` // TypeID
	Value   Value  `json:"value"`
	Quality uint8  `json:"quality"`
	Time    string `json:"time,omitempty"` // octets of the CP56Time2a in hex, as on the wire
	Note    *Note  `json:"note,omitempty"`
}

// Note tells of something that the station did.
type Note struct {
	Kind     string `json:"kind"` // owner | moving | activated | pin | node | online | control | overflow | config
	Resource string `json:"resource,omitempty"`
	Epoch    uint64 `json:"epoch,omitempty"`
	From     string `json:"from,omitempty"`
	To       string `json:"to,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Control  string `json:"control,omitempty"`
	Origin   string `json:"origin,omitempty"`
	Stage    string `json:"stage,omitempty"`
	OK       bool   `json:"ok,omitempty"`
	Count    uint64 `json:"count,omitempty"`
	// Of a takeover, ms since its cause.
	DetectedMs  int64 `json:"detected_ms,omitempty"`
	ElectedMs   int64 `json:"elected_ms,omitempty"`
	LeasedMs    int64 `json:"leased_ms,omitempty"`
	ConnectedMs int64 `json:"connected_ms,omitempty"`
	FirstDataMs int64 `json:"first_data_ms,omitempty"`
}

// EventPage is a part of the journal.
type EventPage struct {
	First  uint64  `json:"first"` // oldest event kept
	Last   uint64  `json:"last"`  // newest event
	Events []Event `json:"events"`
}

func eventOf(e *fsm.Event) Event {
	out := Event{Seq: e.Seq, TimeMs: e.TimeMs}
	n := e.Note
	if n == nil {
		out.RTU, out.Kind, out.Point, out.Type = e.RTU, e.Kind.String(), e.Point, e.Type
		out.Value, out.Quality = Value(e.Value), e.Quality
		out.Time = cp56Hex(e.Time)
		return out
	}
	out.Kind = "note"
	out.Note = &Note{
		Kind: n.Kind.String(), Resource: n.Resource, Epoch: n.Epoch, From: n.From, To: n.To, Reason: n.Reason,
		Control: n.Control, Origin: n.Origin, OK: n.OK, Count: n.Count,
		DetectedMs: n.Timings.DetectedMs, ElectedMs: n.Timings.ElectedMs, LeasedMs: n.Timings.LeasedMs,
		ConnectedMs: n.Timings.ConnectedMs, FirstDataMs: n.Timings.FirstDataMs,
	}
	if n.Control != "" {
		out.Note.Stage = n.Stage.String()
	}
	return out
}

// cp56Hex writes the seven octets of a CP56Time2a, first octet first.
func cp56Hex(t uint64) string {
	var b [7]byte
	for i := range b {
		b[i] = byte(t >> (8 * i))
	}
	return fmt.Sprintf("%x", b)
}

// listEvents answers ?after=SEQ&limit=N with the events after SEQ, oldest
// first, or without after with the newest ones.
func (s *Server) listEvents(w http.ResponseWriter, r *http.Request) error {
	if err := checkQuery(r, "after", "limit"); err != nil {
		return err
	}
	limit, err := queryNumber(r, "limit", defaultPage, maxPage)
	if err != nil {
		return err
	}
	after, err := queryNumber(r, "after", 0, 0)
	if err != nil {
		return err
	}
	var page EventPage
	s.cfg.Node.View(func(state *fsm.State) {
		page.First, page.Last = state.JournalFirst(), state.JournalLast()
		if !r.URL.Query().Has("after") && page.Last > limit {
			after = page.Last - limit
		}
		page.Events = readEvents(state, after, int(limit))
	})
	return reply(w, page)
}

func readEvents(state *fsm.State, after uint64, limit int) []Event {
	limit = min(limit, int(state.JournalLast()-min(after, state.JournalLast())))
	events := make([]Event, 0, limit)
	for _, e := range state.ReadJournal(after, make([]fsm.Event, limit)) {
		events = append(events, eventOf(&e))
	}
	return events
}

// streamEvents sends the journal as server-sent events: those after ?after= or
// the Last-Event-ID header, else those from now on, until the client goes.
func (s *Server) streamEvents(w http.ResponseWriter, r *http.Request) error {
	if err := checkQuery(r, "after"); err != nil {
		return err
	}
	var after uint64
	s.cfg.Node.View(func(state *fsm.State) { after = state.JournalLast() })
	after, err := queryNumber(r, "after", after, 0)
	if err != nil {
		return err
	}
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		if after, err = strconv.ParseUint(id, 10, 64); err != nil {
			return invalid("Last-Event-ID %q: expected an event's number", id)
		}
	}
	out, err := s.openStream(w)
	if err != nil {
		return err
	}
	defer out.close()
	for {
		_, grown := s.cfg.Node.Applied()
		var events []Event
		s.cfg.Node.View(func(state *fsm.State) { events = readEvents(state, after, eventsAtOnce) })
		for _, e := range events {
			if err := out.send(e.Seq, e); err != nil {
				return nil // the client is gone
			}
			after = e.Seq
		}
		if len(events) == eventsAtOnce {
			continue
		}
		if err := out.flush(); err != nil {
			return nil
		}
		silence := time.NewTimer(streamSilence)
		select {
		case <-r.Context().Done():
			silence.Stop()
			return nil
		case <-grown:
		case <-silence.C:
			if err := out.comment(); err != nil {
				return nil
			}
		}
		silence.Stop()
	}
}
