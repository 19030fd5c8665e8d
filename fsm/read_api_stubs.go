package fsm

import (
	"io"
	"iter"
)

// ---- RTUs

// RTU is a field device.
type RTU struct {
	Number        uint32
	Name          string
	Prefer        string // node where it starts; may be empty
	Online        bool   // on some channel of some node
	OnlineSinceMs int64  // since when it is so, ms since 1970-01-01 UTC
	Links         []int  // number of links of each channel, channel 1 first
}

// RTU returns an RTU by its number.
func (s *State) RTU(number uint32) (RTU, bool) { return RTU{}, false }

// RTUs returns all RTUs by number.
func (s *State) RTUs() []RTU { return nil }

// LinkState is the state of a link as one node sees it.
type LinkState uint8

// The states, with the numbers of [fsmpb.LinkState].
const (
	LinkDown LinkState = iota
	LinkConnecting
	LinkStandby // reachable, not started
	LinkActive
)

// String gives down, connecting, standby or active.
func (l LinkState) String() string { return [...]string{"down", "connecting", "standby", "active"}[l&3] }

// Up tells whether the device can be reached over the link.
func (l LinkState) Up() bool { return l >= LinkStandby }

// Link is one link of an RTU as one node sees it.
type Link struct {
	Channel uint32 // from 1
	Link    uint32 // from 1
	State   LinkState
}

// Links returns the links of an RTU as a node reported them, by channel and link. A link that is not listed is down.
func (s *State) Links(rtu uint32, node string) []Link { return nil }

// ---- nodes

// Node is a member of the station.
type Node struct {
	ID      string
	Host    uint32 // 1, 2, 3
	Role    string // fep | witness
	Alive   bool   // the leader's judgement
	Lease   bool
	SinceMs int64 // of the last change of Alive, ms since 1970-01-01 UTC
}

// Node returns a member by its id.
func (s *State) Node(id string) (Node, bool) { return Node{}, false }

// Nodes returns the members, by host.
func (s *State) Nodes() []Node { return nil }

// ---- uplinks

// Client is a client connection of an uplink group.
type Client struct {
	Node    string
	Address string
	Started bool
	Role    string // main | standby | held
}

// Slot is one cursor of a group.
type Slot struct {
	Name    string // empty, or the node of a dual-active group's link
	Seq     uint64 // last event acknowledged
	Dropped uint64 // events that the journal dropped before they were acknowledged
}

// Group is an uplink group.
type Group struct {
	Resource string
	Uplink   string
	Name     string
	Mode     string // exclusive | main-standby | dual-active
	Slots    []Slot // by name
	Cursor   uint64 // the furthest behind of its slots
	Backlog  uint64 // events from there to the journal's last
	Dropped  uint64 // sum over its slots
	Overflow bool   // events dropped are still missing at the control centre's acknowledgement
	Clients  []Client
}

// Group returns an uplink group by its resource id.
func (s *State) Group(resource string) (Group, bool) { return Group{}, false }

// Groups returns all uplink groups, by resource id.
func (s *State) Groups() []Group { return nil }

// Cursor returns the last event that a slot of a group has acknowledged: where to go on from. Slot is "", or the node
// of a dual-active group's link; a slot that never acknowledged anything stands where the group was configured.
func (s *State) Cursor(resource, slot string) uint64 { return 0 }

// ---- controls

// Stage of a control.
type Stage uint8

// The stages. A control goes forward through them, and may leave out Confirmed.
const (
	Submitted Stage = iota + 1
	Executing       // the owner was allowed to send it, once
	Confirmed       // the device confirmed it (ACTCON), and has not finished
	Done            // OK says how it ended; final
)

// String gives submitted, executing, confirmed or done.
func (g Stage) String() string {
	switch g {
	case Submitted:
		return "submitted"
	case Executing:
		return "executing"
	case Confirmed:
		return "confirmed"
	case Done:
		return "done"
	}
	return "none"
}

// ControlPhase says which step of a command a control is (IEC 60870-5-101, 6.8).
type ControlPhase uint8

// The phases, with the numbers of [fsmpb.ControlSubmit_Phase].
const (
	Direct  ControlPhase = iota
	Select               // its selection lasts until its deadline, the next owner, or one Execute or Cancel
	Execute              // of a selection
	Cancel               // of a selection
)

// String gives direct, select, execute or cancel.
func (p ControlPhase) String() string {
	return [...]string{"direct", "select", "execute", "cancel"}[p&3]
}

// Control is a command to a device and what became of it.
type Control struct {
	ID         string
	Origin     string
	RTU        uint32
	Kind       Kind
	Point      uint32
	Type       uint8
	Value      float64
	Qualifier  uint8
	Phase      ControlPhase
	SelectID   string
	DeadlineMs int64 // ms since 1970-01-01 UTC
	Category   string

	Stage       Stage
	OK          bool   // in Confirmed: true; in Done: how it ended
	Reason      string // why not
	Cause       uint8  // cause of transmission of the device's answer; 0 if none
	Node        string // that started it
	Epoch       uint64 // of the RTU, in which it was started
	Used        bool   // of a Select: its selection has ended
	SubmittedMs int64  // ms since 1970-01-01 UTC, as are the next three; 0 if never
	StartedMs   int64
	ConfirmedMs int64 // stays when it is done: a positive ACTCON came before the end
	DoneMs      int64
	Revision    uint64 // Revisions().Controls when it last changed
}

// Control returns a control by its id.
func (s *State) Control(id string) (Control, bool) { return Control{}, false }

// Controls returns all controls that are remembered, in order of submission.
func (s *State) Controls() []Control { return nil }

// PendingControls returns the controls of an RTU that are not done, in order of submission.
func (s *State) PendingControls(rtu uint32) []Control { return nil }

// ControlsAfter returns the controls that changed after this revision of [Revisions].Controls, in order of change.
func (s *State) ControlsAfter(revision uint64) []Control { return nil }

// ---- journal

// Event is one record of the journal.
type Event struct {
	Seq     uint64
	RTU     uint32
	Point   uint32
	Kind    Kind
	Type    uint8 // TypeID
	Quality uint8
	Value   float64
	Time    uint64 // octets of the CP56Time2a, first octet in the lowest byte
	TimeMs  int64  // the same instant, ms since 1970-01-01 UTC
	Note    *Note  // of an audit event, which is for people and never forwarded; nil for a point's event
}

// NoteKind says what an audit event is about.
type NoteKind uint8

// The kinds of audit events.
const (
	NoteOwner     NoteKind = iota + 1 // a resource changed its owner
	NoteActivated                     // its new owner sees data; all timings
	NoteMoving                        // a planned move began
	NoteControl                       // a control reached a stage
	NoteOverflow                      // a group lost events, or caught up
	NoteConfig                        // another configuration is in force
	NoteNode                          // a node was judged alive, or not
	NotePin                           // an operator pinned or unpinned a resource
	NoteOnline                        // an RTU went on or off line
)

// Note is the text part of an audit event. Which fields are set depends on its kind. It is shared: never change it.
type Note struct {
	Kind     NoteKind
	Resource string
	Epoch    uint64
	From     string // former owner
	To       string // owner, target, node
	Reason   string
	Timings  Timings
	Control  string // id
	Origin   string
	Stage    Stage
	OK       bool
	Count    uint64 // events dropped so far, of NoteOverflow
}

// JournalFirst is the number of the oldest event kept. It is JournalLast+1 if none is.
func (s *State) JournalFirst() uint64 { return 1 }

// JournalLast is the number of the newest event; 0 before the first.
func (s *State) JournalLast() uint64 { return 0 }

// ReadJournal fills dst with the events after this number, oldest first, and returns how much of it that is. If the
// next ones were dropped it goes on with the oldest kept: the first event's Seq shows the gap.
func (s *State) ReadJournal(after uint64, dst []Event) []Event { return dst[:0] }

// ---- image

// Point returns the newest value of a point.
func (s *State) Point(k PointKey) (Point, bool) { return Point{}, false }

// Points ranges over the points of an RTU in the order in which they were first seen. The state must not change meanwhile.
func (s *State) Points(rtu uint32) iter.Seq2[PointKey, Point] {
	return func(func(PointKey, Point) bool) {}
}

// PointRTUs returns the numbers of the RTUs, real and virtual, that have points in the image, ascending.
func (s *State) PointRTUs() []uint32 { return nil }

// PointCount is the number of points in the image.
func (s *State) PointCount() int { return 0 }

// Version counts the changes of points.
func (s *State) Version() uint64 { return s.version }

// ChangesAfter returns the keys of the points that changed after this version, each once, the newest change last.
// Not ok: it is too long ago, or points vanished; scan all.
func (s *State) ChangesAfter(version uint64) (keys []PointKey, ok bool) { return nil, false }

// ---- virtual points

// VirtualPoint is a point that the station itself produces. Its value is in the image too.
type VirtualPoint struct {
	RTU    uint32
	Point  uint32
	Name   string
	Source string
	ValA   bool   // as the FEP with host number 1 sees it
	ValB   bool   // as the FEP with host number 2 sees it
	Val    bool   // as the owner sees it: what is forwarded
	Time   uint64 // of the last change of Val: octets of the CP56Time2a
	TimeMs int64
}

// VirtualPoints returns all virtual points, by RTU and point.
func (s *State) VirtualPoints() []VirtualPoint { return nil }

// ---- snapshots

// Snapshot is the state at one moment. It does not change any more.
type Snapshot struct{}

// Snapshot freezes the state. It counts as a write.
func (s *State) Snapshot() *Snapshot { return &Snapshot{} }

// WriteTo writes the snapshot. It may run while Apply goes on.
func (n *Snapshot) WriteTo(w io.Writer) (int64, error) { return 0, nil }

// Restore reads what WriteTo wrote. A file that was cut short or changed is refused, and never half read.
func Restore(r io.Reader) (*State, error) { return New(), nil }

// Digest is a hash of the whole state, in hex. Two nodes that have applied the same entries have the same.
func (s *State) Digest() string { return "" }
