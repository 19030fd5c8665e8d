// Package channeltabtest has what stands for a group and for ten thousand stations where a centre is tested or measured.
package channeltabtest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/fepha/fepha/channeltab/internal/core"
	"github.com/fepha/fepha/fsm/chantable"
)

// ErrNotLeader is what a Memory answers to proposals of a node that does not lead.
var ErrNotLeader = errors.New("channeltab: not the leader")

// Memory is a table in this process that stands for a replicated one: for tests, and for a centre of a single node
// that may forget its table when it ends. Its methods may be called from several goroutines.
type Memory struct {
	mu     sync.Mutex
	table  *chantable.Table
	leader string
	term   uint64
	nodes  map[string]*memoryNode
}

// NewMemory returns an empty table that nobody leads.
func NewMemory() *Memory { return &Memory{table: chantable.New(), nodes: map[string]*memoryNode{}} }

// Elect makes a node the leader; empty: nobody.
func (m *Memory) Elect(node string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leader = node
	m.term++
	m.tell()
}

// Table calls a function with the table, which it must not keep.
func (m *Memory) Table(look func(*chantable.Table)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	look(m.table)
}

// Node returns the table as one node sees it.
func (m *Memory) Node(id string) core.Registry {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.nodes[id] == nil {
		m.nodes[id] = &memoryNode{m: m, id: id, changed: make(chan struct{}, 1)}
	}
	return m.nodes[id]
}

func (m *Memory) tell() {
	for _, n := range m.nodes {
		select {
		case n.changed <- struct{}{}:
		default:
		}
	}
}

type memoryNode struct {
	m       *Memory
	id      string
	changed chan struct{}
}

func (n *memoryNode) Propose(_ context.Context, c chantable.Command) ([]chantable.Result, error) {
	n.m.mu.Lock()
	defer n.m.mu.Unlock()
	if n.m.leader != n.id {
		return nil, fmt.Errorf("%w: %q leads, not %q", ErrNotLeader, n.m.leader, n.id)
	}
	results := n.m.table.Apply(c)
	n.m.tell()
	return results, nil
}

func (n *memoryNode) Since(table, version uint64) chantable.Page {
	n.m.mu.Lock()
	defer n.m.mu.Unlock()
	return n.m.table.Since(table, version)
}

func (n *memoryNode) Leader() core.Leader {
	n.m.mu.Lock()
	defer n.m.mu.Unlock()
	return core.Leader{Node: n.m.leader, Self: n.m.leader == n.id, Term: n.m.term}
}

func (n *memoryNode) Changed() <-chan struct{} { return n.changed }
