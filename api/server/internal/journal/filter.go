package journal

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/fsm"
)

// eventFilter says which events and entries of the audit are asked for; its zero value: all.
type eventFilter struct {
	rtu      *uint32
	point    *uint32
	kind     string // di | ai | counter | note, or a note's own kind, such as owner
	severity string // alarm | warning: conditions alone
	text     string // in lower case: a part of the event's text in either language
	from, to int64  // ms since 1970-01-01 UTC, from inclusive, to exclusive; 0: open
}

// filterParameters are the query's names that readEventFilter knows.
var filterParameters = []string{"rtu", "point", "kind", "severity", "text", "from", "to"}

func readEventFilter(r *http.Request) (f eventFilter, err error) {
	q := r.URL.Query()
	for name, into := range map[string]**uint32{"rtu": &f.rtu, "point": &f.point} {
		if text := q.Get(name); text != "" {
			n, err := strconv.ParseUint(text, 10, 32)
			if err != nil {
				return f, rest.Invalid("%s=%q: expected a number", name, text)
			}
			v := uint32(n)
			*into = &v
		}
	}
	f.kind, f.severity, f.text = q.Get("kind"), q.Get("severity"), strings.ToLower(q.Get("text"))
	if f.severity != "" && f.severity != api.SeverityAlarm && f.severity != api.SeverityWarning {
		return f, rest.Invalid("severity=%q: expected alarm or warning", f.severity)
	}
	if f.kind != "" && f.kind != kindNote && !isPointKind(f.kind) && !isNoteKind(f.kind) {
		return f, rest.Invalid("kind=%q: expected di, ai, counter, bitstring, note, or a note's kind such as owner", f.kind)
	}
	for name, into := range map[string]*int64{"from": &f.from, "to": &f.to} {
		if *into, err = queryTime(q.Get(name)); err != nil {
			return f, rest.Invalid("%s=%q: %v", name, q.Get(name), err)
		}
	}
	return f, nil
}

// queryTime reads an instant: ms since 1970-01-01 UTC, or RFC 3339; "" is 0.
func queryTime(text string) (ms int64, err error) {
	if text == "" {
		return 0, nil
	}
	if ms, err = strconv.ParseInt(text, 10, 64); err == nil {
		return ms, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0, rest.Invalid("expected ms since 1970-01-01 UTC, or a time such as 2026-11-29T03:04:05+08:00")
	}
	return t.UnixMilli(), nil
}

const (
	kindNote = "note"

	eventsAtOnce = 256 // that are read while the state is viewed once
)

func isPointKind(kind string) bool {
	k, _ := fsm.ParseKind(kind)
	return k.Monitored()
}

func isNoteKind(kind string) bool { _, ok := fsm.ParseNoteKind(kind); return ok }

// matches tells whether an event is asked for, as far as that can be told without its text.
func (f *eventFilter) matches(r *fsm.Record) bool {
	ms, key := r.Event.TimeMs, r.Event.Key()
	if r.Audit != nil {
		ms, key = r.Audit.TimeMs, r.Audit.Point
	}
	switch {
	case f.from != 0 && ms < f.from, f.to != 0 && ms >= f.to:
		return false
	case f.rtu != nil && key.RTU != *f.rtu && !isAbout(r.Audit, *f.rtu):
		return false
	case f.point != nil && (key.Point != *f.point || key.Kind == fsm.KindNone):
		return false
	case f.severity != "" && (r.Audit == nil || r.Audit.Note.Condition == nil || r.Audit.Note.Condition.Severity.String() != f.severity):
		return false
	case f.kind == "":
		return true
	case r.Audit == nil:
		return f.kind == key.Kind.String()
	}
	return f.kind == kindNote || f.kind == r.Audit.Note.Kind.String()
}

// isAbout tells whether an entry of the audit is about an RTU itself.
func isAbout(e *fsm.AuditEntry, rtu uint32) bool {
	return e != nil && e.Note.Resource == fsm.RTUResource(rtu)
}

// maxScan is how many events one request looks at: what a filter leaves of a long journal is asked for in steps.
const maxScan = 20_000

// scan gathers at most limit events that match, after a number forwards, or before it backwards, and tells up to which
// number it has looked and whether there is more to look at. The state is viewed in short steps, so it may change meanwhile.
func (j *Journal) scan(f *eventFilter, from uint64, backwards bool, limit int) (events []api.Event, scanned uint64, more bool) {
	events, scanned = []api.Event{}, from
	for looked := 0; looked < maxScan; looked += eventsAtOnce {
		var chunk []fsm.Record
		j.Node.View(func(state *fsm.State) {
			if !backwards {
				chunk = state.ReadHistory(scanned, eventsAtOnce)
				return
			}
			scanned = min(scanned, state.JournalLast()+1)
			chunk = state.HistoryBefore(scanned, eventsAtOnce)
			slices.Reverse(chunk)
		})
		if len(chunk) == 0 {
			return events, scanned, false
		}
		for i := range chunk {
			scanned = chunk[i].Seq
			if !f.matches(&chunk[i]) {
				continue
			}
			e := j.event(&chunk[i])
			if f.text != "" && !strings.Contains(strings.ToLower(e.Text+"\n"+e.TextZH), f.text) {
				continue
			}
			if events = append(events, e); len(events) == limit {
				return events, scanned, true
			}
		}
	}
	return events, scanned, true
}
