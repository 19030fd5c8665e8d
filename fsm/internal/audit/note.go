package audit

import (
	"fmt"
	"slices"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/condition"
	"github.com/fepha/fepha/fsm/internal/control"
	"github.com/fepha/fepha/fsm/internal/resource"
)

// NoteKind says what an entry of the audit is about.
type NoteKind uint8

// The kinds of entries.
const (
	NoteOwner       NoteKind = iota + 1 // a resource has another owner or epoch
	NoteMoving                          // a planned move began
	NoteActivated                       // the new owner has connected, or sees data: all timings
	NotePin                             // an operator pinned or unpinned a resource
	NoteNode                            // a node was judged alive, or not
	NoteOnline                          // an RTU went on or off line
	NoteControl                         // a control reached a stage
	NoteOverflow                        // a group lost events (OK false), or has caught up (OK true)
	NoteConfig                          // another configuration is in force
	NoteCondition                       // something is wrong, or isn't any more
	NoteAccess                          // users, tokens, sessions or certificates: who did what about them
	NoteRefused                         // requests of one party were refused
	NoteAction                          // a node did something that has no command of its own
	NoteStopping                        // a node ends, or was started again (OK true)
	NoteMaintenance                     // an operator began (OK false) or ended (OK true) a node's maintenance
	NoteOverride                        // an operator blocked a point, gave it a value, or released it

	noteKinds
)

var noteKindNames = [noteKinds]string{"none", "owner", "moving", "activated", "pin", "node", "online", "control", "overflow", "config", "condition",
	"access", "refused", "action", "stopping", "maintenance", "override"}

// String gives one word for the kind: owner, moving, activated, pin, node, online, control, overflow, config, condition,
// access, refused, action, stopping, maintenance or override.
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

// Note is what an entry of the audit says. Which fields are set depends on its kind.
type Note struct {
	Kind     NoteKind
	Resource string // id; of NoteNode the node's, of NoteConfig the digest, of NoteAccess user/NAME, token/NAME or certificate/NAME
	Epoch    uint64
	From     string // former owner, former pin; who reported the condition last
	To       string // owner, target, pin; what was refused or done, of NoteRefused and NoteAction; the mode, of NoteOverride
	Reason   string
	Timings  resource.Timings
	Control  string // id
	Origin   string // who asked for it, or acknowledged the condition
	Stage    control.Stage
	OK       bool   // of a control that is done; node is alive, or in service again; RTU is on line; group has caught up
	Count    uint64 // events dropped so far, of NoteOverflow; how often it was seen, of NoteCondition; how many requests, of NoteRefused

	Condition *condition.Note // of NoteCondition
}

func (n *Note) proto() *fsmpb.Note {
	return &fsmpb.Note{
		Kind: uint32(n.Kind), Resource: n.Resource, Epoch: n.Epoch, From: n.From, To: n.To, Reason: n.Reason,
		Timings: n.Timings.Proto(), Control: n.Control, Origin: n.Origin, Stage: uint32(n.Stage), Ok: n.OK, Count: n.Count,
		Condition: n.Condition.Proto(),
	}
}

// NoteOf reads a note of a snapshot.
func NoteOf(p *fsmpb.Note) Note {
	return Note{
		Kind: NoteKind(p.GetKind()), Resource: p.GetResource(), Epoch: p.GetEpoch(), From: p.GetFrom(), To: p.GetTo(), Reason: p.GetReason(),
		Timings: resource.TimingsOf(p.GetTimings()), Control: p.GetControl(), Origin: p.GetOrigin(), Stage: control.Stage(p.GetStage()), OK: p.GetOk(),
		Count: p.GetCount(), Condition: condition.NoteOf(p.GetCondition()),
	}
}
