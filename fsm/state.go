package fsm

import (
	"runtime/debug"

	"github.com/fepha/fepha/fsm/chantable"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/access"
	"github.com/fepha/fepha/fsm/internal/audit"
	"github.com/fepha/fepha/fsm/internal/command"
	"github.com/fepha/fepha/fsm/internal/condition"
	"github.com/fepha/fepha/fsm/internal/control"
	"github.com/fepha/fepha/fsm/internal/exports"
	"github.com/fepha/fepha/fsm/internal/image"
	"github.com/fepha/fepha/fsm/internal/journal"
	"github.com/fepha/fepha/fsm/internal/mailbox"
	"github.com/fepha/fepha/fsm/internal/pointcheck"
	"github.com/fepha/fepha/fsm/internal/versions"
)

// State is the replicated state. See the package comment for who may call what when.
type State struct {
	index      uint64 // of the last entry applied
	config     *fsmpb.Configure
	stage      uint64 // newest stage of a configuration
	versions   versions.Versions
	level      uint32 // feature level
	epochFloor uint64 // no epoch of a resource that is gone was above it: where new ones start

	nodes     []*Node // by host; few
	resources map[string]*Resource
	rtus      map[uint32]*rtu
	strays    int      // octets of all RTUs' strays
	groups    []*group // by resource id; few

	journal    *journal.Journal
	unsettled  bool // a cursor or the retention changed, or unacknowledged events were dropped: groups are to be told
	audit      *audit.Audit
	image      *image.Image
	controls   *control.Controls
	virtual    virtualPoints
	table      *chantable.Table // of FNP
	mailbox    *mailbox.Mailbox // of the FNP endpoint
	conditions *condition.Conditions
	checks     *pointcheck.Checks
	access     *access.Access
	exports    *exports.Exports

	rev Revisions

	panicked func(value any, stack []byte) // of who holds the state; in no snapshot
}

// Revisions counts the changes of each part of the state, so that a reader knows cheaply whether to look again.
// Points have [State.Version] and [State.ChangesAfter] instead, events their numbers.
type Revisions struct {
	Config     uint64
	Resources  uint64 // owner, epoch, phase, pin, timings; not LastBatch
	Online     uint64 // RTUs' online flags
	Links      uint64
	Nodes      uint64
	Clients    uint64
	Cursors    uint64 // and dropped counts
	Controls   uint64
	Virtual    uint64
	FNP        uint64 // the channel table; it has versions of its own too
	Conditions uint64
	Outages    uint64 // of the station as a whole: whoever collects has to ask for all values again
	Access     uint64 // users, tokens, sessions, revoked certificates; not when they were used
	Exports    uint64
}

// New returns the state before the first entry. Nothing exists in it until a Configure.
func New() *State {
	s := &State{
		config:    noConfig(),
		resources: map[string]*Resource{},
		rtus:      map[uint32]*rtu{},
		journal:   journal.New(1, journal.DefaultRetain),
		image:     image.New(0),
		table:     chantable.New(),
		mailbox:   mailbox.New(),
		checks:    pointcheck.New(),
	}
	s.audit = audit.New(audit.Journal{Number: func() uint64 { return s.journal.Number() }, Dropped: func(seq uint64) { s.exports.Dropped(seq, true) }})
	s.conditions = condition.New(0, s.aroundConditions())
	s.controls = control.New(0, 0, s.aroundControls())
	s.access, s.exports = access.New(0, s.noteAccess), exports.New()
	return s
}

// Apply applies the Raft entry with this log index and returns one result a command, in order. It keeps no reference
// to e.
func (s *State) Apply(index uint64, e *fsmpb.Entry) []*fsmpb.Result {
	s.index = index
	results := make([]*fsmpb.Result, len(e.GetCommands()))
	for i, c := range e.GetCommands() {
		results[i] = s.apply(c)
	}
	return results
}

// OnPanic has a panic of a command told, with its stack. It costs that command alone, which is refused; since the same is so on
// every node, the station goes on with one state. Without it a command of the log that panics would stop all three nodes, at
// each start again.
func (s *State) OnPanic(tell func(value any, stack []byte)) { s.panicked = tell }

func (s *State) apply(c *fsmpb.Command) (res *fsmpb.Result) {
	defer func() {
		if v := recover(); v != nil {
			res = command.Refuse(fsmpb.Result_INVALID, "the command can't be applied by this build: %v", v)
			if s.panicked != nil {
				s.panicked(v, debug.Stack())
			}
		}
	}()
	at := command.Stamp{Ms: c.GetAtMs(), CP56: c.GetAtCp56(), Node: c.GetNode()}
	before := s.journal.Last()
	res = s.dispatch(at, c)
	if res.Code == fsmpb.Result_OK {
		s.audit.TellRefusals(at)
	}
	if s.journal.Last() > before {
		s.dropAged(at)
	}
	s.settle(at)
	if s.journal.Last() > before {
		res.FirstSeq, res.LastSeq = before+1, s.journal.Last()
	}
	return res
}

func (s *State) dispatch(at command.Stamp, c *fsmpb.Command) *fsmpb.Result {
	switch op := c.GetOp().(type) {
	case *fsmpb.Command_Events:
		return s.events(at, op.Events)
	case *fsmpb.Command_Online:
		return s.setOnline(at, op.Online)
	case *fsmpb.Command_BacklogEnd:
		return s.endBacklog(at, op.BacklogEnd)
	case *fsmpb.Command_NotTopical:
		return s.notTopical(at, op.NotTopical)
	case *fsmpb.Command_Outage:
		return s.outage(at)
	case *fsmpb.Command_Forget:
		return s.forget(at, op.Forget)
	case *fsmpb.Command_CheckStart:
		return s.startCheck(at, op.CheckStart)
	case *fsmpb.Command_CheckTick:
		return s.checks.Tick(at, op.CheckTick)
	case *fsmpb.Command_CheckEnd:
		return s.endCheck(at, op.CheckEnd)
	case *fsmpb.Command_Override:
		return s.override(at, op.Override)

	case *fsmpb.Command_Configure:
		return s.configure(at, op.Configure)
	case *fsmpb.Command_ConfigStage:
		return s.stageConfig(op.ConfigStage)
	case *fsmpb.Command_ConfigPart:
		return s.partOfConfig(op.ConfigPart)
	case *fsmpb.Command_FeatureLevel:
		return s.raiseLevel(op.FeatureLevel)
	case *fsmpb.Command_Assign:
		return s.assign(at, op.Assign)
	case *fsmpb.Command_Move:
		return s.move(at, op.Move)
	case *fsmpb.Command_Released:
		return s.released(at, op.Released)
	case *fsmpb.Command_Claim:
		return s.claim(at, op.Claim)
	case *fsmpb.Command_Pin:
		return s.pin(at, op.Pin)
	case *fsmpb.Command_Activated:
		return s.activated(at, op.Activated)

	case *fsmpb.Command_Links:
		return s.setLinks(op.Links)
	case *fsmpb.Command_NodeState:
		return s.setNode(at, op.NodeState)
	case *fsmpb.Command_Clients:
		return s.setClients(op.Clients)
	case *fsmpb.Command_Cursor:
		return s.setCursor(at, op.Cursor)
	case *fsmpb.Command_CounterFreeze:
		return s.freezeCounters(op.CounterFreeze)
	case *fsmpb.Command_Stopping:
		return s.setStopping(at, op.Stopping)
	case *fsmpb.Command_Maintenance:
		return s.setMaintenance(at, op.Maintenance)

	case *fsmpb.Command_ExportCursor:
		return s.moveExport(at, op.ExportCursor)
	case *fsmpb.Command_ExportReach:
		return s.reachExport(at, op.ExportReach)
	case *fsmpb.Command_ExportPause:
		return s.pauseExport(at, op.ExportPause)
	case *fsmpb.Command_ExportReplay:
		return s.replayExport(at, op.ExportReplay)

	case *fsmpb.Command_Fnp:
		return s.changeTable(at, op.Fnp)
	case *fsmpb.Command_FnpReceive:
		return s.receiveMessage(at, op.FnpReceive)

	}
	if res := s.controls.Apply(at, c); res != nil {
		return res
	}
	if res := s.conditions.Apply(at, c); res != nil {
		return res
	}
	if res := s.audit.Apply(at, c); res != nil {
		return res
	}
	if res := s.access.Apply(at, c); res != nil {
		return res
	}
	return command.Refuse(fsmpb.Result_INVALID, "no such command in this build")
}

// settle brings what follows from the command up to date in the same step: overflows, and virtual points. An overflow
// changes a virtual point, which is an event, and each event may push an old one out; that ends because a slot overflows,
// and a virtual point changes, at most once a command.
func (s *State) settle(at command.Stamp) {
	for {
		before := s.journal.Last()
		s.settleRetention(at)
		s.settleVirtual(at)
		if s.journal.Last() == before {
			return
		}
	}
}

// Index is the log index of the last entry applied; 0 before the first.
func (s *State) Index() uint64 { return s.index }

// Config is the station's configuration as last applied: nodes by host, RTUs by number, groups by uplink and group,
// virtual points by RTU and point. It is shared: callers must not change it.
func (s *State) Config() *fsmpb.Configure { return s.config }

// Revisions returns the counts of changes so far.
func (s *State) Revisions() Revisions {
	rev := s.rev
	rev.Conditions = s.conditions.Revision()
	rev.Controls = s.controls.Revision()
	rev.Access, rev.Exports = s.access.Revision(), s.exports.Revision()
	return rev
}

// Access is who may use the station. It is for reading only, and only while the state does not change.
func (s *State) Access() *access.Access { return s.access }

func (s *State) noteAccess(at command.Stamp, about, happened, origin string) {
	s.note(at, &Note{Kind: NoteAccess, Resource: about, Reason: command.Clip(happened), Origin: command.Clip(origin)})
}

// note makes an entry of the audit.
func (s *State) note(at command.Stamp, n *Note) { s.audit.Note(at, n) }
