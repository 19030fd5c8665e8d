package server

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/replica"
)

func (s *Server) record(r *fsm.Record) api.Event {
	if r.Audit != nil {
		return s.auditEvent(r.Audit)
	}
	e := &r.Event
	info, _ := s.cfg.Describe(e.Key())
	en, zh := sayings(func(l language) string { return l.pointWords(e, info.Name) })
	return api.Event{
		Seq: e.Seq, TimeMs: e.TimeMs, Text: en, TextZH: zh, RTU: e.RTU, Kind: e.Kind.String(), Point: e.Point, Type: e.Type,
		Value: api.Value(e.Value), Quality: e.Quality, TimeFlags: timeFlags(e.Time), Transient: e.Transient, ElapsedMs: e.ElapsedMs,
	}
}

// auditEvent is an entry of the audit in its place among the events.
func (s *Server) auditEvent(e *fsm.AuditEntry) api.Event {
	n := &e.Note
	info, _ := s.cfg.Describe(e.Point)
	en, zh := sayings(func(l language) string { return l.noteWords(e, info) })
	out := api.Event{
		Seq: e.Seq, Audit: e.Number, TimeMs: e.TimeMs, Text: en, TextZH: zh, RTU: e.Point.RTU, Kind: kindNote, Point: e.Point.Point,
		Type: e.Type, Value: api.Value(e.Value),
		Note: &api.Note{
			Kind: n.Kind.String(), Resource: n.Resource, Epoch: n.Epoch, From: n.From, To: n.To, Reason: n.Reason,
			Control: n.Control, Origin: n.Origin, OK: n.OK, Count: n.Count,
			DetectedMs: n.Timings.DetectedMs, ElectedMs: n.Timings.ElectedMs, LeasedMs: n.Timings.LeasedMs,
			ConnectedMs: n.Timings.ConnectedMs, FirstDataMs: n.Timings.FirstDataMs,
		},
	}
	if n.Control != "" {
		out.Note.Stage = n.Stage.String()
	}
	if n.Condition != nil {
		out.Note.Condition, out.Note.Severity = n.Condition.ID, n.Condition.Severity.String()
	}
	return out
}

// timeFlags puts the flags of a CP56Time2a in words (IEC 60870-5-101, 7.2.6.18): IV, SU, and RES1, by which a time is known
// that fepha has made.
func timeFlags(t uint64) string {
	minutes, hours := byte(t>>16), byte(t>>24)
	var words []string
	for _, f := range []struct {
		set  bool
		word string
	}{{minutes&0x80 != 0, "invalid"}, {hours&0x80 != 0, "summer time"}, {minutes&0x40 != 0, "substituted"}} {
		if f.set {
			words = append(words, f.word)
		}
	}
	return strings.Join(words, ", ")
}

// listEvents answers ?after=SEQ&limit=N with the events and the entries of the audit after SEQ, in their one order;
// ?before=SEQ with those before it, newest first; without either with the newest ones, oldest first. A filter leaves some
// of them out.
func (s *Server) listEvents(w http.ResponseWriter, r *http.Request) error {
	if err := checkQuery(r, append([]string{"after", "before", "limit"}, filterParameters...)...); err != nil {
		return err
	}
	limit, err := queryNumber(r, "limit", defaultPage, maxPage)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	backwards := q.Has("before")
	if backwards && q.Has("after") {
		return invalid("after and before: expected one of them")
	}
	from, err := queryNumber(r, choose(backwards, "before", "after"), 0, 0)
	if err != nil {
		return err
	}
	filter, err := readEventFilter(r)
	if err != nil {
		return err
	}
	var page api.EventPage
	s.cfg.Node.View(func(state *fsm.State) { page.First, page.Last = state.HistoryFirst(), state.JournalLast() })
	newest := !backwards && !q.Has("after")
	if newest {
		backwards, from = true, page.Last+1
	}
	page.Events, page.Scanned, page.More = s.scan(&filter, from, backwards, int(limit))
	if newest {
		slices.Reverse(page.Events)
	}
	return s.reply(w, page)
}

// streamEvents sends the same as server-sent events: what is after ?after= or
// the Last-Event-ID header, else what comes from now on, until the client goes.
func (s *Server) streamEvents(w http.ResponseWriter, r *http.Request) error {
	if err := checkQuery(r, append([]string{"after"}, filterParameters...)...); err != nil {
		return err
	}
	filter, err := readEventFilter(r)
	if err != nil {
		return err
	}
	var after uint64
	s.cfg.Node.View(func(state *fsm.State) { after = state.JournalLast() })
	if after, err = queryNumber(r, "after", after, 0); err != nil {
		return err
	}
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		if after, err = strconv.ParseUint(id, 10, 64); err != nil {
			return invalid("Last-Event-ID %q: expected an event's number", id)
		}
	}
	out, err := s.openStream(w, r, viewers)
	if err != nil {
		return err
	}
	defer out.close()
	spoke := time.Now()
	for range replica.Follow(r.Context(), s.cfg.Node, replica.Pace{Most: s.askAgain}) {
		for more := true; more; {
			var events []api.Event
			events, after, more = s.scan(&filter, after, false, eventsAtOnce)
			for i := range events {
				spoke = time.Now()
				if err := out.send(events[i].Seq, events[i]); err != nil {
					return nil // the client is gone
				}
			}
		}
		finish := out.flush
		if time.Since(spoke) >= streamSilence {
			spoke, finish = time.Now(), out.comment
		}
		if err := finish(); err != nil {
			return nil
		}
	}
	return nil
}
