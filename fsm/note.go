package fsm

import (
	"fmt"
	"slices"
	"strings"
)

// NoteKind says what an audit event is about.
type NoteKind uint8

// The kinds of audit events.
const (
	NoteOwner     NoteKind = iota + 1 // a resource has another owner or epoch
	NoteMoving                        // a planned move began
	NoteActivated                     // the new owner has connected, or sees data: all timings
	NotePin                           // an operator pinned or unpinned a resource
	NoteNode                          // a node was judged alive, or not
	NoteOnline                        // an RTU went on or off line
	NoteControl                       // a control reached a stage
	NoteOverflow                      // a group lost events (OK false), or has caught up (OK true)
	NoteConfig                        // another configuration is in force
	NoteCondition                     // something is wrong, or isn't any more
	NoteAccess                        // users, tokens, sessions or certificates: who did what about them

	noteKinds
)

var noteKindNames = [noteKinds]string{"none", "owner", "moving", "activated", "pin", "node", "online", "control", "overflow", "config", "condition", "access"}

// String gives one word for the kind: owner, moving, activated, pin, node, online, control, overflow, config, condition or access.
func (k NoteKind) String() string {
	if k < noteKinds {
		return noteKindNames[k]
	}
	return fmt.Sprintf("note(%d)", uint8(k))
}

// ParseNoteKind reads what String writes.
func ParseNoteKind(text string) (k NoteKind, ok bool) {
	i := slices.Index(noteKindNames[:], text)
	return NoteKind(max(i, 0)), i > 0
}

// Note is the text part of an audit event. Which fields are set depends on its kind. It is shared: never change it.
type Note struct {
	Kind     NoteKind
	Resource string // id; of NoteNode the node's, of NoteConfig the digest, of NoteAccess user/NAME, token/NAME or certificate/NAME
	Epoch    uint64
	From     string // former owner, former pin; who reported the condition last
	To       string // owner, target, pin
	Reason   string
	Timings  Timings
	Control  string // id
	Origin   string // who asked for the control, the move, the pin or the change of access, or acknowledged the condition
	Stage    Stage
	OK       bool   // of a control that is done; node is alive; RTU is on line; group has caught up
	Count    uint64 // events dropped so far, of NoteOverflow; how often it was seen, of NoteCondition

	Condition *ConditionNote // of NoteCondition
}

// note appends an audit event.
func (s *State) note(at stamp, n *Note) {
	s.journal.append(Event{Time: at.cp56, TimeMs: at.ms, Note: n})
}

const maxReason = 200

// clip bounds a text that is kept: reasons come from operators and devices' error messages.
func clip(reason string) string {
	if len(reason) <= maxReason {
		return reason
	}
	return strings.ToValidUTF8(reason[:maxReason], "") // the cut may go through a character
}
