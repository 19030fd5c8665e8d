package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/internal/panics"
	"github.com/fepha/fepha/replica"
)

// stateMachine stands between Raft and the state: it guards the state with a lock and tells others what changed.
type stateMachine struct {
	changed  func()             // called after owners, epochs or phases changed, before what depends on it is answered
	advanced func(index uint64) // called after that
	grown    broadcast
	raised   func(level uint32) error // called before a higher feature level is taken on; an error ends the node

	mu    sync.RWMutex // guards state; taken before any other lock of this package
	state *fsm.State

	applied  atomic.Uint64 // index of the newest entry in state
	owners   atomic.Uint64 // index of the newest entry that changed an owner, epoch or phase, or later
	restored atomic.Int64  // ns that the last restore took
	frozen   atomic.Int64  // ns that the last snapshot kept entries waiting
	taken    atomic.Uint64 // snapshots
}

var (
	_ raft.BatchingFSM = (*stateMachine)(nil)
	_ raft.FSMSnapshot = (*frozenState)(nil)
)

func newStateMachine() *stateMachine {
	m := &stateMachine{changed: func() {}, advanced: func(uint64) {}, raised: func(uint32) error { return nil }}
	m.hold(fsm.New())
	return m
}

// hold takes a state on.
func (m *stateMachine) hold(state *fsm.State) {
	state.OnPanic(func(v any, stack []byte) { panics.Note(slog.Default(), "log entry", v, stack) })
	m.state = state
}

// notify sets whom to tell. It's called before Raft is made.
func (m *stateMachine) notify(changed func(), advanced func(index uint64)) {
	m.changed, m.advanced = changed, advanced
}

// view runs read under the lock.
func (m *stateMachine) view(read func(*fsm.State)) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	read(m.state)
}

// understood tells whether all nodes understand a command.
func (m *stateMachine) understood(c *fsmpb.Command) error {
	need := fsm.LevelOf(c)
	if need == 0 {
		return nil
	}
	var level uint32
	m.view(func(s *fsm.State) { level = s.Level() })
	if level < need {
		return fmt.Errorf("proposing: %w: it needs feature level %d, and the group is at %d", replica.ErrNotYet, need, level)
	}
	return nil
}

// waitApplied waits until the entry at index is applied. Errors are ctx's, or ErrClosed.
func (m *stateMachine) waitApplied(ctx context.Context, index uint64, closed <-chan struct{}) error {
	for {
		grown := m.grown.wait()
		applied := m.applied.Load()
		if applied >= index {
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return fmt.Errorf("waiting for entry %d to be applied, at %d: %w", index, applied, ctx.Err())
		case <-closed:
			return fmt.Errorf("waiting for entry %d to be applied, at %d: %w", index, applied, replica.ErrClosed)
		}
	}
}

// writeTo writes the state as it is, in the form that fsm.Restore reads.
func (m *stateMachine) writeTo(w io.Writer) (index uint64, err error) {
	m.mu.Lock()
	snapshot, index := m.state.Snapshot(), m.state.Index()
	m.mu.Unlock()
	if _, err := snapshot.WriteTo(w); err != nil {
		return 0, fmt.Errorf("writing the state at entry %d: %w", index, err)
	}
	return index, nil
}

// outcome is what Raft hands to the proposer of an entry.
type outcome struct {
	results []*fsmpb.Result
	err     error // why the entry was passed over: the same on every node
}

// Apply applies one entry.
func (m *stateMachine) Apply(l *raft.Log) any { return m.ApplyBatch([]*raft.Log{l})[0] }

// ApplyBatch applies committed entries in order.
func (m *stateMachine) ApplyBatch(logs []*raft.Log) []any {
	outcomes := make([]any, len(logs))
	for i, l := range logs {
		if l.Type == raft.LogCommand {
			outcomes[i] = m.applyOne(l)
		}
	}
	m.grown.fire()
	return outcomes
}

func (m *stateMachine) applyOne(l *raft.Log) outcome {
	var e fsmpb.Entry
	if err := proto.Unmarshal(l.Data, &e); err != nil {
		return outcome{err: fmt.Errorf("entry %d is damaged: %w", l.Index, err)}
	}
	if err := checkFence(l); err != nil {
		e.Reset()
		m.apply(l.Index, &e)
		return outcome{err: err}
	}
	if level := fsm.RaisedTo(&e); level > 0 {
		if err := m.raised(level); err != nil {
			return outcome{err: err}
		}
	}
	return outcome{results: m.apply(l.Index, &e)}
}

func (m *stateMachine) apply(index uint64, e *fsmpb.Entry) []*fsmpb.Result {
	m.mu.Lock()
	before := m.state.Revisions().Resources
	results := m.state.Apply(index, e)
	changed := m.state.Revisions().Resources != before
	m.mu.Unlock()
	if changed {
		m.owners.Store(index)
		m.changed()
	}
	m.applied.Store(index)
	m.advanced(index)
	return results
}

// A leader's decision that a node's lease is over holds for its own term only: the next leader may have granted another.
// So entries with such decisions bear the term in which they were made (the fence, in the log entry's extensions), and
// are passed over if a later leader's log has them.

func fence(term uint64) []byte { return binary.BigEndian.AppendUint64(nil, term) }

func checkFence(l *raft.Log) error {
	if len(l.Extensions) != 8 {
		return nil
	}
	if term := binary.BigEndian.Uint64(l.Extensions); term != l.Term {
		return fmt.Errorf("entry %d was decided in term %d and appended in term %d", l.Index, term, l.Term)
	}
	return nil
}

// Snapshot freezes the state. Raft applies nothing meanwhile, so it must be quick; writing it out isn't waited for.
func (m *stateMachine) Snapshot() (raft.FSMSnapshot, error) {
	start := time.Now()
	m.mu.Lock()
	s := m.state.Snapshot()
	m.mu.Unlock()
	m.frozen.Store(int64(time.Since(start)))
	m.taken.Add(1)
	return &frozenState{s}, nil
}

type frozenState struct{ snapshot *fsm.Snapshot }

func (f *frozenState) Persist(sink raft.SnapshotSink) error {
	if _, err := f.snapshot.WriteTo(sink); err != nil {
		_ = sink.Cancel()
		return fmt.Errorf("writing snapshot %s: %w", sink.ID(), err)
	}
	return sink.Close()
}

func (f *frozenState) Release() {}

// Restore replaces the state by a snapshot: at the start, or one that the leader sent.
func (m *stateMachine) Restore(r io.ReadCloser) error {
	defer func() { _ = r.Close() }()
	start := time.Now()
	state, err := fsm.Restore(r)
	if err == nil && state.Level() > 0 {
		err = m.raised(state.Level())
	}
	if errors.Is(err, fsm.ErrNewer) {
		_ = m.raised(fsm.Level + 1)
	}
	if err != nil {
		return fmt.Errorf("restoring a snapshot: %w", err)
	}
	m.mu.Lock()
	m.hold(state)
	m.mu.Unlock()
	index := max(m.applied.Load(), state.Index())
	m.owners.Store(index)
	m.changed()
	m.applied.Store(index)
	m.advanced(index)
	m.restored.Store(int64(time.Since(start)))
	m.grown.fire()
	return nil
}
