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
	d.mu.Unlock()
	if hung != nil {
		<-hung
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
