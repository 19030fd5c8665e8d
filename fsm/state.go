package fsm

import (
	"github.com/fepha/fepha/fsm/fsmpb"
)

// State is the replicated state. See the package comment for who may call what when.
type State struct {
	index     uint64
	resources map[string]*Resource
	config    *fsmpb.Configure
	rev       Revisions
	version   uint64
}

// New returns the state before the first entry.
func New() *State {
	return &State{resources: map[string]*Resource{}, config: &fsmpb.Configure{}}
}

// Apply applies the Raft entry with this log index and returns one result a command, in order. It keeps no reference
// to e.
func (s *State) Apply(index uint64, e *fsmpb.Entry) []*fsmpb.Result {
	s.index = index
	return make([]*fsmpb.Result, len(e.GetCommands()))
}

// Index is the log index of the last entry applied; 0 before the first.
func (s *State) Index() uint64 { return s.index }

// Config is the station's configuration as last applied. It is shared: callers must not change it.
func (s *State) Config() *fsmpb.Configure { return s.config }

// Revisions counts the changes of each part of the state, so that a reader knows cheaply whether to look again.
// Points have [State.Version] and [State.ChangesAfter] instead, events their numbers.
type Revisions struct {
	Config    uint64
	Resources uint64 // owner, epoch, phase, pin, timings; not LastBatch
	Online    uint64 // RTUs' online flags
	Links     uint64
	Nodes     uint64
	Clients   uint64
	Cursors   uint64 // and dropped counts
	Controls  uint64
	Virtual   uint64
}

// Revisions returns the counts of changes so far.
func (s *State) Revisions() Revisions { return s.rev }
