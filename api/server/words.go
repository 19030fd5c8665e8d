package server

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
)

// This file puts events into words, once for the tool and the web page.

// pointWords tells of a point's event, such as "1/di/17 breaker: on (not topical)".
func pointWords(e *fsm.Event, name string) string {
	var b strings.Builder
	b.WriteString(e.Key().String())
	if name != "" {
		b.WriteString(" " + name)
	}
	b.WriteString(": " + api.ValueWords(e.Type, api.Value(e.Value), e.Transient))
	if q := api.QualityWords(e.Type, e.Quality); q != "" {
		fmt.Fprintf(&b, " (%s)", q)
	}
	return b.String()
}

// noteWords tells of an entry of the audit.
func (s *Server) noteWords(e *fsm.AuditEntry) string {
	n := &e.Note
	switch n.Kind {
	case fsm.NoteOwner:
		if n.To == "" {
			return fmt.Sprintf("%s: released by %s%s", n.Resource, n.From, because(n))
		}
		return fmt.Sprintf("%s: owned by %s now, was %s%s%s", n.Resource, n.To, orNobody(n.From), because(n), timingWords(n.Timings))
	case fsm.NoteMoving:
		return fmt.Sprintf("%s: to move from %s to %s%s%s", n.Resource, n.From, n.To, because(n), by(n))
	case fsm.NoteActivated:
		return fmt.Sprintf("%s: %s is at work%s", n.Resource, n.To, timingWords(n.Timings))
	case fsm.NotePin:
		if n.To == "" {
			return fmt.Sprintf("%s: no longer pinned to %s%s", n.Resource, n.From, by(n))
		}
		return fmt.Sprintf("%s: pinned to %s%s", n.Resource, n.To, by(n))
	case fsm.NoteNode:
		return fmt.Sprintf("node %s: %s", n.Resource, choose(n.OK, "alive", "DEAD"))
	case fsm.NoteOnline:
		return fmt.Sprintf("%s: %s", n.Resource, choose(n.OK, "online", "OFFLINE"))
	case fsm.NoteOverflow:
		if n.OK {
			return fmt.Sprintf("%s: has caught up, %d events were dropped", n.Resource, n.Count)
		}
		return fmt.Sprintf("%s: EVENTS DROPPED, %d so far", n.Resource, n.Count)
	case fsm.NoteCondition:
		return conditionWords(n)
	case fsm.NoteConfig:
		return "another configuration is in force: " + n.Resource
	case fsm.NoteAccess:
		return fmt.Sprintf("%s: %s%s", n.Resource, n.Reason, by(n))
	case fsm.NoteControl:
		return s.controlWords(e)
	case fsm.NoteRefused:
		return refusedWords(n)
	case fsm.NoteAction:
		return fmt.Sprintf("%s%s%s%s", n.To, about(n), by(n), because(n))
	}
	return n.Kind.String() + " " + n.Resource
}

// controlWords tells of a step of a control.
func (s *Server) controlWords(e *fsm.AuditEntry) string {
	n, k := &e.Note, e.Point
	info, _ := s.cfg.Describe(k)
	value := fmt.Sprintf("%g", e.Value)
	if state := stateOf(k.Kind, e.Value, info); state != "" {
		value = state
	}
	var b strings.Builder
	fmt.Fprintf(&b, "control %v", k)
	if info.Name != "" {
		b.WriteString(" " + info.Name)
	}
	fmt.Fprintf(&b, " to %s by %s: %s", value, n.Origin, n.Stage)
	if n.Stage == fsm.Done {
		b.WriteString(choose(n.OK, ", ok", ", FAILED"))
	}
	if n.Reason != "" {
		b.WriteString(", " + n.Reason)
	}
	if n.To != "" {
		b.WriteString(", on " + n.To)
	}
	return b.String()
}

// refusedWords tells of requests that were refused, such as "REFUSED to 10.0.0.1: login (wrong password), 40 times".
func refusedWords(n *fsm.Note) string {
	text := fmt.Sprintf("REFUSED to %s: %s%s%s", cmp.Or(n.Origin, "somebody"), n.To, about(n), because(n))
	if n.Count > 1 {
		text += fmt.Sprintf(", %d times", n.Count)
	}
	return text
}

func about(n *fsm.Note) string {
	if n.Resource == "" {
		return ""
	}
	return " " + n.Resource
}

func because(n *fsm.Note) string {
	if n.Reason == "" {
		return ""
	}
	return " (" + n.Reason + ")"
}

func timingWords(t fsm.Timings) string {
	var b strings.Builder
	for _, part := range []struct {
		label string
		ms    int64
	}{
		{"detected", t.DetectedMs}, {"elected", t.ElectedMs}, {"leased", t.LeasedMs}, {"connected", t.ConnectedMs}, {"first data", t.FirstDataMs},
	} {
		if part.ms != 0 {
			fmt.Fprintf(&b, ", %s after %d ms", part.label, part.ms)
		}
	}
	return b.String()
}

func orNobody(node string) string {
	if node == "" {
		return "nobody's"
	}
	return node + "'s"
}

func choose(yes bool, ifYes, ifNo string) string {
	if yes {
		return ifYes
	}
	return ifNo
}

// by names who asked for something, if that is known.
func by(n *fsm.Note) string {
	if n.Origin == "" {
		return ""
	}
	return " by " + n.Origin
}
