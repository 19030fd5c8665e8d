package server

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
)

func (s *Server) event(e *fsm.Event) api.Event {
	out := api.Event{Seq: e.Seq, TimeMs: e.TimeMs, RTU: e.RTU, Point: e.Point, Type: e.Type, Value: api.Value(e.Value)}
	n := e.Note
	if n == nil {
		info, _ := s.cfg.Describe(e.Key())
		out.Kind, out.Quality, out.Time = e.Kind.String(), e.Quality, cp56Hex(e.Time)
		out.Text = pointWords(e.Key(), info.Name, e.Type, out.Value, e.Quality)
		return out
	}
	out.Kind, out.Text = "note", s.noteWords(e)
	out.Note = &api.Note{
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
	after, limit, err := pageOf(r, 0)
	if err != nil {
		return err
	}
	var page api.EventPage
	var events []fsm.Event
	s.cfg.Node.View(func(state *fsm.State) {
		page.First, page.Last = state.JournalFirst(), state.JournalLast()
		if !r.URL.Query().Has("after") && page.Last > limit {
			after = page.Last - limit
		}
		events = readJournal(state, after, int(limit))
	})
	page.Events = make([]api.Event, len(events))
	for i := range events {
		page.Events[i] = s.event(&events[i])
	}
	return reply(w, page)
}

// readJournal copies events: what is made of them is made after View.
func readJournal(state *fsm.State, after uint64, limit int) []fsm.Event {
	limit = min(limit, int(state.JournalLast()-min(after, state.JournalLast())))
	return state.ReadJournal(after, make([]fsm.Event, limit))
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
		var events []fsm.Event
		s.cfg.Node.View(func(state *fsm.State) { events = readJournal(state, after, eventsAtOnce) })
		for i := range events {
			after = events[i].Seq
			if err := out.send(after, s.event(&events[i])); err != nil {
				return nil // the client is gone
			}
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
