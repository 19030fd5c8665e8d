package words

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/internal/plain"
)

// language is one that events are told in.
type language map[string]string // what is said for an English text or format; nil is English

// f is fmt.Sprintf in the language.
func (l language) f(format string, args ...any) string { return fmt.Sprintf(l.word(format), args...) }

// word is a text that has no places, if the language has it: a reason may be a person's or a device's own words.
func (l language) word(text string) string {
	if said, ok := l[text]; ok {
		return said
	}
	return text
}

// list translates words that are separated by commas.
func (l language) list(text string) string {
	words := strings.Split(text, ", ")
	for i := range words {
		words[i] = l.word(words[i])
	}
	return strings.Join(words, ", ")
}

// both says it in each language, in one line: names, reasons and origins are what others have said.
func both(in func(language) string) (en, zh string) {
	return plain.Line(in(nil)), plain.Line(in(chinese))
}

// Event tells of a point's event in English and Chinese, such as "1/di/17 breaker: on (not topical)".
func Event(e *fsm.Event, name string) (en, zh string) {
	return both(func(l language) string { return l.event(e, name) })
}

// Entry tells of an entry of the audit. If it is about a control, name is that of the point, and state what its value means
// ("" where it means nothing).
func Entry(e *fsm.AuditEntry, name, state string) (en, zh string) {
	return both(func(l language) string { return l.entry(e, name, state) })
}

// State tells what a control's value means: on or off.
func State(state string) (en, zh string) {
	return both(func(l language) string { return l.word(state) })
}

// Point tells a point's value, and what is wrong with it.
func Point(p *fsm.Point) (en, zh string) {
	return both(func(l language) string { return l.point(p) })
}

// Value tells a point's value.
func Value(p *fsm.Point) (en, zh string) {
	return both(func(l language) string { return l.list(api.ValueWords(p.Type, api.Value(p.Value), p.Transient)) })
}

// Quality tells what is wrong with a point's value; "" if nothing is.
func Quality(p *fsm.Point) (en, zh string) {
	return both(func(l language) string { return l.list(api.QualityWords(p.Type, p.Quality)) })
}

func (l language) event(e *fsm.Event, name string) string {
	var b strings.Builder
	b.WriteString(e.Key().String())
	if name != "" {
		b.WriteString(" " + name)
	}
	b.WriteString(": " + l.point(&fsm.Point{Type: e.Type, Value: e.Value, Transient: e.Transient, Quality: e.Quality}))
	return b.String()
}

// point tells a value, and what is wrong with it.
func (l language) point(p *fsm.Point) string {
	text := l.list(api.ValueWords(p.Type, api.Value(p.Value), p.Transient))
	if q := api.QualityWords(p.Type, p.Quality); q != "" {
		text += " (" + l.list(q) + ")"
	}
	return text
}

func (l language) entry(e *fsm.AuditEntry, name, state string) string {
	n := &e.Note
	switch n.Kind {
	case fsm.NoteOwner:
		switch {
		case n.To == "":
			return l.f("%s: released by %s", n.Resource, n.From) + l.because(n)
		case n.From == "":
			return l.f("%s: owned by %s now, was nobody's", n.Resource, n.To) + l.because(n) + l.timingWords(n.Timings)
		}
		return l.f("%s: owned by %s now, was %s's", n.Resource, n.To, n.From) + l.because(n) + l.timingWords(n.Timings)
	case fsm.NoteMoving:
		return l.f("%s: to move from %s to %s", n.Resource, n.From, n.To) + l.because(n) + l.by(n)
	case fsm.NoteActivated:
		return l.f("%s: %s is at work", n.Resource, n.To) + l.timingWords(n.Timings)
	case fsm.NotePin:
		if n.To == "" {
			return l.f("%s: no longer pinned to %s", n.Resource, n.From) + l.by(n)
		}
		return l.f("%s: pinned to %s", n.Resource, n.To) + l.by(n)
	case fsm.NoteNode:
		if n.OK {
			return l.f("node %s: alive", n.Resource)
		}
		return l.f("node %s: DEAD", n.Resource)
	case fsm.NoteStopping:
		if n.OK {
			return l.f("node %s: started again", n.Resource)
		}
		return l.f("node %s: stops, and gives away what it owns first", n.Resource)
	case fsm.NoteMaintenance:
		if n.OK {
			return l.f("node %s: maintenance ended", n.Resource) + l.by(n)
		}
		return l.f("node %s: maintenance begun", n.Resource) + l.by(n)
	case fsm.NoteOnline:
		if n.OK {
			return l.f("%s: online", n.Resource)
		}
		return l.f("%s: OFFLINE", n.Resource)
	case fsm.NoteOverflow:
		if n.OK {
			return l.f("%s: has caught up, %d events were dropped", n.Resource, n.Count)
		}
		return l.f("%s: EVENTS DROPPED, %d so far", n.Resource, n.Count)
	case fsm.NoteCondition:
		return l.conditionWords(n)
	case fsm.NoteConfig:
		return l.f("another configuration is in force: %s", n.Resource)
	case fsm.NoteAccess:
		return n.Resource + ": " + l.word(n.Reason) + l.by(n)
	case fsm.NoteControl:
		return l.controlWords(e, name, state)
	case fsm.NoteOverride:
		return l.overrideWords(e, name)
	case fsm.NoteRefused:
		return l.refusedWords(n)
	case fsm.NoteAction:
		return l.word(n.To) + about(n) + l.by(n) + l.because(n)
	}
	return n.Kind.String() + " " + n.Resource
}

// controlWords tells of a step of a control.
func (l language) controlWords(e *fsm.AuditEntry, name, state string) string {
	n, k := &e.Note, e.Point
	value := fmt.Sprintf("%g", e.Value)
	if state != "" {
		value = l.word(state)
	}
	what := k.String()
	if name != "" {
		what += " " + name
	}
	text := l.f("control %s to %s by %s: %s", what, value, n.Origin, l.word(n.Stage.String()))
	if n.Stage == fsm.Done {
		text += ", " + l.word(choose(n.OK, "ok", "FAILED"))
	}
	if n.Reason != "" {
		text += ", " + l.word(n.Reason)
	}
	if n.To != "" {
		text += l.f(", on %s", n.To)
	}
	return text
}

// overrideWords tells of a point that was blocked, given a value by hand, or released.
func (l language) overrideWords(e *fsm.AuditEntry, name string) string {
	text := e.Point.String()
	if name != "" {
		text += " " + name
	}
	return text + ": " + l.word(e.Note.To) + ": " + l.list(api.ValueWords(e.Type, api.Value(e.Value), false)) + l.by(&e.Note) + l.because(&e.Note)
}

// refusedWords tells of requests that were refused, such as "REFUSED to 10.0.0.1: login (wrong password), 40 times".
func (l language) refusedWords(n *fsm.Note) string {
	text := l.f("REFUSED to %s: %s", cmp.Or(n.Origin, l.word("somebody")), l.word(n.To)) + about(n) + l.because(n)
	if n.Count > 1 {
		text += l.f(", %d times", n.Count)
	}
	return text
}

// conditionWords tells of a condition that has come or gone, or was acknowledged.
func (l language) conditionWords(n *fsm.Note) string {
	c := n.Condition
	words, _ := condition.Say(c.Kind, c.Values, n.Count)
	text := words.EN
	if l != nil {
		text = words.ZH
	}
	switch c.Change {
	case fsm.ConditionGone:
		return l.f("%s: no longer so: %s", c.ID, text)
	case fsm.ConditionAcknowledged:
		return l.f("%s: acknowledged", c.ID) + l.by(n) + ": " + text
	}
	return c.ID + ": " + l.word(c.Severity.String()) + ": " + text
}

func about(n *fsm.Note) string {
	if n.Resource == "" {
		return ""
	}
	return " " + n.Resource
}

func (l language) because(n *fsm.Note) string {
	if n.Reason == "" {
		return ""
	}
	return " (" + l.word(n.Reason) + ")"
}

func (l language) timingWords(t fsm.Timings) (text string) {
	for _, part := range []struct {
		label string
		ms    int64
	}{
		{"detected", t.DetectedMs}, {"elected", t.ElectedMs}, {"leased", t.LeasedMs}, {"connected", t.ConnectedMs}, {"first data", t.FirstDataMs},
	} {
		if part.ms != 0 {
			text += l.f(", %s after %d ms", l.word(part.label), part.ms)
		}
	}
	return text
}

// by names who asked for something, if that is known.
func (l language) by(n *fsm.Note) string {
	if n.Origin == "" {
		return ""
	}
	return l.f(" by %s", n.Origin)
}

func choose(yes bool, ifYes, ifNo string) string {
	if yes {
		return ifYes
	}
	return ifNo
}

// TimeFlags puts the flags of a CP56Time2a in words (IEC 60870-5-101, 7.2.6.18): IV, SU, and RES1, by which a time is known
// that fepha has made.
func TimeFlags(t uint64) string {
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
