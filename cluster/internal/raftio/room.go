package raftio

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/fepha/fepha/replica"
)

// Room is what is free on the disk of a data folder. A part of the disk is kept in reserve, as a file that holds nothing,
// for Raft to fall back on when somebody has filled the rest: without it the next entry would be the node's end.
type Room struct {
	dir  string
	step int64 // octets that the log's next step may take
	log  *slog.Logger

	mu   sync.Mutex
	told level // in the log
	none bool  // this file system can't set anything aside
}

// level is how much is free, as far as it's logged.
type level int

const (
	ample level = iota
	low
	short
)

const (
	reserveFile = "reserve"
	reserveMost = 32 << 20 // octets; at most a tenth of the disk

	// smallStep is how many octets a start may take, or an entry: single pages and small files.
	smallStep = 1 << 20
)

// Disk is how a data folder's disk is.
type Disk struct {
	Free, Size int64 // octets; 0: not known on this system
	Reserve    int64 // octets that are kept for Raft, and not free; 0: they are in use, or the disk can't set any aside
}

// Low tells whether less than a tenth is free: people have to know.
func (d Disk) Low() bool { return d.Free < d.Size/10 }

// Short tells whether less than a hundredth is free: what can wait is refused.
func (d Disk) Short() bool { return d.Free < d.Size/100 }

func (d Disk) level() level {
	switch {
	case d.Short():
		return short
	case d.Low():
		return low
	}
	return ample
}

// openRoom makes sure that there's enough for a start.
func openRoom(dir, kind string, log *slog.Logger) *Room {
	r := &Room{dir: dir, step: smallStep, log: log}
	if kind == LogStoreWAL {
		r.step += walSegment // it's allocated as a whole, and a WAL that fails to doesn't try again
	}
	r.need(r.Disk())
	return r
}

// need gives up the reserve if there's too little left beside it.
func (r *Room) need(d Disk) {
	if d.Reserve > 0 && d.Free < r.step {
		r.Release()
	}
}

func (r *Room) path() string { return filepath.Join(r.dir, reserveFile) }

// Disk looks at the disk.
func (r *Room) Disk() (d Disk) {
	d.Free, d.Size = freeOf(r.dir)
	if info, err := os.Stat(r.path()); err == nil {
		d.Reserve = info.Size()
	}
	return d
}

// Check tells whether so many octets of what can wait may be written; if not, the error is [replica.ErrNoRoom].
func (r *Room) Check(octets int64) error {
	d := r.Disk()
	if after := (Disk{Free: d.Free - octets, Size: d.Size}); after.Short() && d.Size > 0 {
		return fmt.Errorf("%w: %d MB are free on the disk of %s, this may take %d MB, and %d MB are kept for events: make room there",
			replica.ErrNoRoom, d.Free>>20, r.dir, octets>>20, d.Size/100>>20)
	}
	return nil
}

// Release gives the reserve to who writes now; false: there's none.
func (r *Room) Release() bool {
	err := os.Remove(r.path())
	if err == nil {
		r.log.Error("the disk is full: the reserve is in use; make room, or this node ends soon", "folder", r.dir)
	} else if !errors.Is(err, fs.ErrNotExist) {
		r.log.Error("the disk is full, and its reserve can't be used", "folder", r.dir, "error", err)
	}
	return err == nil
}

// Keep makes the reserve if there's none and room for it, and logs how much is free when that has become another matter. It
// is to be called from time to time.
func (r *Room) Keep() {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.Disk()
	r.need(d)
	want := min(reserveMost, d.Size/10)
	if d.Reserve == 0 && want > 0 && d.Free-want > d.Size/20 && !r.none {
		if err := setAside(r.path(), want); err != nil {
			r.none = !isFull(err)
			r.log.Warn("no reserve for a full disk", "folder", r.dir, "error", errors.Join(err, os.Remove(r.path())))
		}
	}
	was, now := r.told, d.level()
	r.told = now
	about := []any{"folder", r.dir, "free_mb", d.Free >> 20, "of_mb", d.Size >> 20}
	switch {
	case now == short && was != short:
		r.log.Error("hardly any room on the disk: configurations, snapshots and restores are refused; make room, a node whose disk is full ends", about...)
	case now == low && was == ample:
		r.log.Warn("less than a tenth of the disk is free: make room", about...)
	case now == ample && was != ample:
		r.log.Info("there is room on the disk again", about...)
	}
}

// retryFull calls write, and once more if the disk was full and there was a reserve.
func (r *Room) retryFull(write func() error) error {
	err := write()
	if isFull(err) && r.Release() {
		err = write()
	}
	return err
}

// isFull tells whether a write failed for want of room. Not every library wraps the system's error.
func isFull(err error) bool {
	return err != nil && (errors.Is(err, syscall.ENOSPC) || strings.Contains(err.Error(), syscall.ENOSPC.Error()))
}
