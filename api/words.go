package api

import (
	"fmt"
	"strings"

	"github.com/fepha/fepha/fsm"
)

// This file puts events into words, once for the tool and the web page.

// bitWord names a bit.
type bitWord struct {
	bit  uint8
	word string
}

func words(octet uint8, bits ...bitWord) (words []string) {
	for _, b := range bits {
		if octet&b.bit != 0 {
			words = append(words, b.word)
		}
	}
	return words
}

// QualityWords names what is wrong with a value by the quality octet of its type (IEC 60870-5-101, 7.2.6.1 to 7.2.6.4
// and 7.2.6.9); "" for a good one.
func QualityWords(typeID, quality uint8) string {
	var list []string
	switch typeID {
	case 15, 16, 37: // the lower bits are the counter's sequence number
		list = words(quality, bitWord{0x80, "invalid"}, bitWord{0x40, "adjusted"}, bitWord{0x20, "overflowed"})
	default:
		list = words(quality, bitWord{0x80, "invalid"}, bitWord{0x40, "not topical"}, bitWord{0x20, "substituted"}, bitWord{0x10, "blocked"})
		switch typeID {
		case 17, 18, 19, 38, 39, 40:
			list = append(list, words(quality, bitWord{0x08, "elapsed time invalid"})...)
		case 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 20, 32, 33, 34, 35, 36:
			list = append(list, words(quality, bitWord{0x01, "overflow"})...)
		}
	}
	return strings.Join(list, ", ")
}

// ValueWords is a value as a person says it: a state by its name (7.2.6.1, 7.2.6.2 and 7.2.6.10 to 7.2.6.12), a bitstring
// in hex, any other as a number.
func ValueWords(typeID uint8, v Value) string {
	var names []string
	switch typeID {
	case 1, 2, 30:
		names = []string{stateOff, stateOn}
	case 3, 4, 31:
		names = []string{"in between", stateOff, stateOn, "indeterminate"}
	case 17, 38:
		names = []string{"indeterminate", stateOff, stateOn, "indeterminate"}
	case 18, 39:
		return someOf(words(uint8(v), bitWord{0x01, "general start"}, bitWord{0x02, "start L1"}, bitWord{0x04, "start L2"},
			bitWord{0x08, "start L3"}, bitWord{0x10, "start of earth current"}, bitWord{0x20, "start in reverse direction"}))
	case 19, 40:
		return someOf(words(uint8(v), bitWord{0x01, "general command"}, bitWord{0x02, "command L1"}, bitWord{0x04, "command L2"},
			bitWord{0x08, "command L3"}))
	case 7, 8, 20, 33:
		return fmt.Sprintf("0x%08x", uint32(v))
	}
	for i, name := range names {
		if float64(v) == float64(i) {
			return name
		}
	}
	return fmt.Sprintf("%g", float64(v))
}

func someOf(words []string) string {
	if words == nil {
		return "none"
	}
	return strings.Join(words, ", ")
}

// pointWords tells of a point's event, such as "1/di/17 breaker: on (not topical)".
func pointWords(k fsm.PointKey, name string, typeID uint8, v Value, quality uint8) string {
	var b strings.Builder
	b.WriteString(k.String())
	if name != "" {
		b.WriteString(" " + name)
	}
	b.WriteString(": " + ValueWords(typeID, v))
	if q := QualityWords(typeID, quality); q != "" {
		fmt.Fprintf(&b, " (%s)", q)
	}
	return b.String()
}

// noteWords tells of an audit event.
func (s *Server) noteWords(e *fsm.Event) string {
	n := e.Note
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
	case fsm.NoteAccess:
		return fmt.Sprintf("%s: %s%s", n.Resource, n.Reason, by(n))
	case fsm.NoteConfig:
		return "another configuration is in force: " + n.Resource
	case fsm.NoteControl:
		return s.controlWords(e)
	}
	return n.Kind.String() + " " + n.Resource
}

// controlWords tells of a step of a control.
func (s *Server) controlWords(e *fsm.Event) string {
	n, k := e.Note, e.Key()
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
