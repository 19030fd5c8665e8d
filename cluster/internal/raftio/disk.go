package raftio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// DiskWatch knows which writes to disk are under way and since when. A nil one takes no notice.
type DiskWatch struct {
	clock func() time.Duration
	limit time.Duration // a write that takes longer is a stall

	mu    sync.Mutex
	next  int
	under map[int]diskWrite
}

type diskWrite struct {
	what  string
	since time.Duration
}

// NewDiskWatch is for a disk that stalls when a write takes longer than limit.
func NewDiskWatch(clock func() time.Duration, limit time.Duration) *DiskWatch {
	return &DiskWatch{clock: clock, limit: limit, under: map[int]diskWrite{}}
}

// begin notes a write; the returned function notes its end.
func (d *DiskWatch) begin(what string) (end func()) {
	if d == nil {
		return func() {}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.next
	d.next++
	d.under[n] = diskWrite{what, d.clock()}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.under, n)
	}
}

// Longest is the write that has been under way longest, and for how long.
func (d *DiskWatch) Longest() (what string, took time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.clock()
	for _, w := range d.under {
		if t := now - w.since; t > took {
			what, took = w.what, t
		}
	}
	return what, took
}

// Stalled tells whether a write takes longer than it may.
func (d *DiskWatch) Stalled() bool {
	_, took := d.Longest()
	return took > d.limit
}

// sealedLog and sealedStable stand between Raft and its files. They add a checksum to everything, since bbolt has
// none over its data: a flipped bit must never be served as a command, a term or a vote. A write that fails, or a
// record that's damaged, ends the node: fail is told, and while Raft runs it doesn't return, since Raft would panic or go
// on without its memory.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errDamaged = errors.New("checksum doesn't match")

type sealedLog struct {
	raft.LogStore
	disk *DiskWatch
	room *Room
	fail func(error)
}

// IsMonotonic passes on what a WAL says of itself: that it can't have gaps.
func (c *sealedLog) IsMonotonic() bool {
	m, ok := c.LogStore.(raft.MonotonicLogStore)
	return ok && m.IsMonotonic()
}

func logChecksum(l *raft.Log, data []byte) uint32 {
	var head [17]byte
	binary.BigEndian.PutUint64(head[:], l.Index)
	binary.BigEndian.PutUint64(head[8:], l.Term)
	head[16] = byte(l.Type)
	sum := crc32.Update(0, castagnoli, head[:])
	sum = crc32.Update(sum, castagnoli, l.Extensions)
	return crc32.Update(sum, castagnoli, data)
}

// GetLog reads one entry.
func (c *sealedLog) GetLog(index uint64, l *raft.Log) error {
	err := readLog(c.LogStore, index, l)
	if errors.Is(err, errDamaged) {
		c.fail(err)
	}
	return err
}

func readLog(store raft.LogStore, index uint64, l *raft.Log) error {
	if err := store.GetLog(index, l); err != nil {
		return err
	}
	n := len(l.Data) - 4
	if n < 0 || l.Index != index || binary.BigEndian.Uint32(l.Data[n:]) != logChecksum(l, l.Data[:n]) {
		return fmt.Errorf("log entry %d: %w", index, errDamaged)
	}
	l.Data = l.Data[:n:n]
	return nil
}

// StoreLog stores one entry.
func (c *sealedLog) StoreLog(l *raft.Log) error { return c.StoreLogs([]*raft.Log{l}) }

// StoreLogs stores entries.
func (c *sealedLog) StoreLogs(logs []*raft.Log) error {
	sealed := make([]*raft.Log, len(logs))
	for i, l := range logs {
		s := *l
		s.Data = make([]byte, 0, len(l.Data)+4)
		s.Data = append(s.Data, l.Data...)
		s.Data = binary.BigEndian.AppendUint32(s.Data, logChecksum(l, l.Data))
		sealed[i] = &s
	}
	what := fmt.Sprintf("storing log entries %d to %d", logs[0].Index, logs[len(logs)-1].Index)
	defer c.disk.begin(what)()
	if err := c.room.retryFull(func() error { return c.LogStore.StoreLogs(sealed) }); err != nil {
		err = fmt.Errorf("%s: %w", what, err)
		c.fail(err)
		return err
	}
	return nil
}

// DeleteRange removes entries, both ends included.
func (c *sealedLog) DeleteRange(first, last uint64) error {
	defer c.disk.begin(fmt.Sprintf("removing log entries %d to %d", first, last))()
	return c.LogStore.DeleteRange(first, last)
}

type sealedStable struct {
	raft.StableStore
	disk *DiskWatch
	room *Room
	fail func(error)
}

// errNotFound is what Raft takes for a key that was never set; it compares the text.
var errNotFound = errors.New("not found")

// Set stores a value.
func (c *sealedStable) Set(key, value []byte) error {
	defer c.disk.begin(fmt.Sprintf("storing %s", key))()
	if err := c.room.retryFull(func() error { return c.StableStore.Set(key, seal(key, value)) }); err != nil {
		err = fmt.Errorf("storing %s: %w", key, err)
		c.fail(err)
		return err
	}
	return nil
}

func seal(key, value []byte) []byte {
	sum := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
	return binary.BigEndian.AppendUint32(append([]byte(nil), value...), sum)
}

// Get reads a value. One that was never set is an error to Raft.
func (c *sealedStable) Get(key []byte) ([]byte, error) {
	sealed, err := c.StableStore.Get(key)
	if err != nil || len(sealed) == 0 {
		return nil, errNotFound
	}
	n := len(sealed) - 4
	if n < 0 || string(seal(key, sealed[:n])) != string(sealed) {
		err := fmt.Errorf("%s: %w", key, errDamaged)
		c.fail(err)
		return nil, err
	}
	return sealed[:n], nil
}

// SetUint64 stores a number.
func (c *sealedStable) SetUint64(key []byte, value uint64) error {
	return c.Set(key, binary.BigEndian.AppendUint64(nil, value))
}

// GetUint64 reads a number.
func (c *sealedStable) GetUint64(key []byte) (uint64, error) {
	value, err := c.Get(key)
	if err != nil {
		return 0, err
	}
	if len(value) != 8 {
		return 0, fmt.Errorf("%s: %d octets, expected 8", key, len(value))
	}
	return binary.BigEndian.Uint64(value), nil
}
