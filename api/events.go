package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/fepha/fepha/fsm"
)

// Event is one record of the journal. A point's event has RTU to Quality; an
// audit event has Note instead.
type Event struct {
	Seq     uint64  `json:"seq"`
	TimeMs  int64   `json:"time_ms"` // ms since 1970-01-01 UTC
	RTU     uint32  `json:"rtu,omitempty"`
	Kind    string  `json:"kind"` // di | ai | counter | note
	Point   uint32  `json:"point,omitempty"`
	Type    uint8   `json:"type,omitempty"` // TypeID
	Value   float64 `json:"value"`
	Quality uint8   `json:"quality"`
	Time    string  `json:"time,omitempty"` // octets of the CP56Time2a in hex, as on the wire
	Note    *Note   `json:"note,omitempty"`
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
		out.Value, out.Quality = e.Value, e.Quality
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

// queryNumber reads a number of the query; 0 as most is no bound.
func queryNumber(r *http.Request, name string, otherwise, most uint64) (uint64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, invalid("%s=%q: expected a number", name, text)
	}
	if most > 0 && n > most {
		return 0, invalid("%s=%d: expected at most %d", name, n, most)
	}
	return n, nil
}

// streamEvents sends the journal as server-sent events: those after ?after= or
// the Last-Event-ID header, else those from now on, until the client goes.
func (s *Server) streamEvents(w http.ResponseWriter, r *http.Request) error {
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
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	for {
		_, grown := s.cfg.Node.Applied()
		var events []Event
		s.cfg.Node.View(func(state *fsm.State) { events = readEvents(state, after, eventStreamBatch) })
		for _, e := range events {
			data, err := json.Marshal(e)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(w, "id: %d\ndata: %s\n\n", e.Seq, data); err != nil {
				return nil // the client is gone
			}
			after = e.Seq
		}
		if out.Flush() != nil {
			return nil
		}
		if len(events) == eventStreamBatch {
			continue
		}
		silence := time.NewTimer(eventStreamKeepUp)
		select {
		case <-r.Context().Done():
			silence.Stop()
			return nil
		case <-grown:
		case <-silence.C:
			if _, err := fmt.Fprint(w, ":\n\n"); err != nil {
				return nil
			}
		}
		silence.Stop()
	}
}
