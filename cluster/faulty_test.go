package cluster

import (
	"sync"

	"github.com/hashicorp/raft"
)

// faultyDisk is a log store whose writes can be made to hang or to fail.
type faultyDisk struct {
	raft.LogStore

	mu   sync.Mutex
	hung chan struct{} // closed when writes go on; nil while they do
	held int           // writes that hang
	err  error
}

func (d *faultyDisk) over(l raft.LogStore) raft.LogStore {
	d.LogStore = l
	return d
}

func (d *faultyDisk) hang() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hung = make(chan struct{})
}

// holds tells whether a write hangs: so does Raft's main loop then.
func (d *faultyDisk) holds() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.held > 0
}

func (d *faultyDisk) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

func (d *faultyDisk) heal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.hung != nil {
		close(d.hung)
	}
	d.hung, d.err = nil, nil
}

func (d *faultyDisk) StoreLogs(logs []*raft.Log) error {
	d.mu.Lock()
	hung, err := d.hung, d.err
	if hung != nil {
		d.held++
	}
	d.mu.Unlock()
	if hung != nil {
		<-hung
		d.mu.Lock()
		d.held--
		d.mu.Unlock()
	}
	if err != nil {
		return err
	}
	return d.LogStore.StoreLogs(logs)
}

func (d *faultyDisk) StoreLog(l *raft.Log) error { return d.StoreLogs([]*raft.Log{l}) }

func (d *faultyDisk) IsMonotonic() bool {
	m, ok := d.LogStore.(raft.MonotonicLogStore)
	return ok && m.IsMonotonic()
}
