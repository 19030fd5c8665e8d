package journal

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/api/server/words"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/replica"
)

// A Journal answers from the journal and the audit of a node's state.
type Journal struct {
	Node    replica.Member
	Streams *rest.Streams

	// Named tells the name of a point, and of a DO what a value means; "" is not known.
	Named func(k fsm.PointKey, value float64) (name, state string)
}

// event is what happened, in words too.
func (j *Journal) event(r *fsm.Record) api.Event {
	if r.Audit != nil {
		return j.entry(r.Audit)
	}
	e := &r.Event
	name, _ := j.Named(e.Key(), e.Value)
	en, zh := words.Event(e, name)
	return api.Event{
		Seq: e.Seq, TimeMs: e.TimeMs, Text: en, TextZH: zh, RTU: e.RTU, Kind: e.Kind.String(), Point: e.Point, Type: e.Type,
		Value: api.Value(e.Value), Quality: e.Quality, TimeFlags: words.TimeFlags(e.Time), Transient: e.Transient, ElapsedMs: e.ElapsedMs,
	}
}

// entry is an entry of the audit in its place among the events.
func (j *Journal) entry(e *fsm.AuditEntry) api.Event {
	n := &e.Note
	name, state := j.Named(e.Point, e.Value)
	en, zh := words.Entry(e, name, state)
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

// ListEvents answers ?after=SEQ&limit=N with the events and the entries of the audit after SEQ, in their one order;
// ?before=SEQ with those before it, newest first; without either with the newest ones, oldest first. A filter leaves some
// of them out.
func (j *Journal) ListEvents(w http.ResponseWriter, r *http.Request) error {
	if err := rest.CheckQuery(r, append([]string{"after", "before", "limit"}, filterParameters...)...); err != nil {
		return err
	}
	limit, err := rest.QueryNumber(r, "limit", rest.DefaultPage, rest.MaxPage)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	backwards := q.Has("before")
	if backwards && q.Has("after") {
		return rest.Invalid("after and before: expected one of them")
	}
	bound := "after"
	if backwards {
		bound = "before"
	}
	from, err := rest.QueryNumber(r, bound, 0, 0)
	if err != nil {
		return err
	}
	filter, err := readEventFilter(r)
	if err != nil {
		return err
	}
	var page api.EventPage
	j.Node.View(func(state *fsm.State) { page.First, page.Last = state.HistoryFirst(), state.JournalLast() })
	newest := !backwards && !q.Has("after")
	if newest {
		backwards, from = true, page.Last+1
	}
	page.Events, page.Scanned, page.More = j.scan(&filter, from, backwards, int(limit))
	if newest {
		slices.Reverse(page.Events)
	}
	return j.Streams.Reply(w, page)
}

// StreamEvents sends the same as server-sent events: what is after ?after= or
// the Last-Event-ID header, else what comes from now on, until the client goes.
func (j *Journal) StreamEvents(w http.ResponseWriter, r *http.Request) error {
	if err := rest.CheckQuery(r, append([]string{"after"}, filterParameters...)...); err != nil {
		return err
	}
	filter, err := readEventFilter(r)
	if err != nil {
		return err
	}
	var after uint64
	j.Node.View(func(state *fsm.State) { after = state.JournalLast() })
	if after, err = rest.QueryNumber(r, "after", after, 0); err != nil {
		return err
	}
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		if after, err = strconv.ParseUint(id, 10, 64); err != nil {
			return rest.Invalid("Last-Event-ID %q: expected an event's number", id)
		}
	}
	out, err := j.Streams.Begin(w, r)
	if err != nil {
		return err
	}
	defer out.Close()
	spoke := time.Now()
	for range replica.Follow(r.Context(), j.Node, replica.Pace{Most: j.Streams.AskAgain}) {
		for more := true; more; {
			var events []api.Event
			events, after, more = j.scan(&filter, after, false, eventsAtOnce)
			for i := range events {
				spoke = time.Now()
				if err := out.Send(events[i].Seq, events[i]); err != nil {
					return nil // the client is gone
				}
			}
		}
		finish := out.Flush
		if time.Since(spoke) >= rest.Silence {
			spoke, finish = time.Now(), out.Comment
		}
		if err := finish(); err != nil {
			return nil
		}
	}
	return nil
}
