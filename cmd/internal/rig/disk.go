package rig

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNoDisks: nodes can't have disks of their own here.
var ErrNoDisks = errors.New("no disks of their own")

// diskSize is that of a node's disk, in octets; only what is written takes
// room. The log of 200,000 events fits in several times.
const diskSize = 512 << 20

// A disk that is slow hangs for slowHang of every slowPeriod.
const (
	slowHang   = 150 * time.Millisecond
	slowPeriod = 200 * time.Millisecond
)

// disk is a node's data folder with a file system of its own, ext4 in a file on
// a loop device, so that it can hang, be slow, and be full.
type disk struct {
	dir  string         // where it is mounted
	slow func()         // ends its slowness; nil: it isn't slow
	busy sync.WaitGroup // the goroutine that makes it slow
}

// mountsDir holds a folder with the disks' mount points for each station.
const mountsDir = "/run/fepha-disks"

// diskSets counts those of this process.
var diskSets atomic.Uint32

// DisksRefused says why nodes can't have disks of their own here; nil: they can.
func DisksRefused() error {
	if err := asRootWith("mkfs.ext4", "mount"); err != nil {
		return fmt.Errorf("%w: %w", ErrNoDisks, err)
	}
	return nil
}

// setDisks gives each node a disk, and removes those that a process that was
// killed left behind.
func (s *Station) setDisks() (err error) {
	if err := DisksRefused(); err != nil {
		return err
	}
	sweepDisks()
	mounts := filepath.Join(mountsDir, fmt.Sprintf("%d-%d", os.Getpid(), diskSets.Add(1)))
	for _, n := range s.nodes {
		if n.disk, err = newDisk(filepath.Join(s.opts.Dir, n.ID+".img"), filepath.Join(mounts, n.ID)); err != nil {
			return err
		}
	}
	return nil
}

// removeDisks removes those that setDisks made.
func (s *Station) removeDisks() error {
	var errs []error
	mounts := ""
	for _, n := range s.nodes {
		if n.disk != nil {
			mounts = filepath.Dir(n.disk.dir)
			errs = append(errs, n.disk.remove())
		}
	}
	if mounts != "" {
		errs = append(errs, os.Remove(mounts))
	}
	return errors.Join(errs...)
}

// newDisk makes the image and mounts it.
func newDisk(image, dir string) (*disk, error) {
	f, err := os.Create(image)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Truncate(diskSize), f.Close()); err != nil {
		return nil, err
	}
	if err := run("mkfs.ext4", "-q", "-m", "0", image); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoDisks, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := run("mount", "-o", "loop", image, dir); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrNoDisks, err), os.Remove(dir))
	}
	return &disk{dir: dir}, nil
}

// remove heals the disk and takes it away. Who used it must have ended.
func (d *disk) remove() error {
	return errors.Join(d.setSlow(false), unmount(d.dir))
}

// unmount detaches what is mounted, even if it is still in use, and its loop
// device with the last user.
func unmount(dir string) error {
	if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmounting %s: %w", dir, err)
	}
	return os.Remove(dir)
}

// DisksLeft are the mount points that this process has made and not removed.
func DisksLeft() []string {
	dirs, _ := filepath.Glob(filepath.Join(mountsDir, fmt.Sprintf("%d-*", os.Getpid()), "*"))
	return dirs
}

// sweepDisks removes the disks of processes that are gone.
func sweepDisks() {
	sets, _ := filepath.Glob(filepath.Join(mountsDir, "*-*"))
	for _, set := range sets {
		pid, err := strconv.Atoi(strings.Split(filepath.Base(set), "-")[0])
		if err != nil || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		dirs, _ := filepath.Glob(filepath.Join(set, "*"))
		for _, dir := range dirs {
			_ = (&disk{dir: dir}).hang(false)
			if unmount(dir) != nil {
				_ = os.Remove(dir) // it was never mounted
			}
		}
		_ = os.Remove(set)
	}
}

// Of linux/fs.h, not in golang.org/x/sys/unix.
const (
	fiFreeze = 0xc0045877
	fiThaw   = 0xc0045878
)

// hang makes every write and fsync on the disk wait, or lets them go on. A process
// that waits so can't even be killed.
func (d *disk) hang(on bool) error {
	dir, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	if on {
		err = unix.IoctlSetInt(int(dir.Fd()), fiFreeze, 0)
	} else if err = unix.IoctlSetInt(int(dir.Fd()), fiThaw, 0); errors.Is(err, unix.EINVAL) {
		err = nil // it didn't hang
	}
	if err != nil {
		return fmt.Errorf("disk %s: hang %v: %w", d.dir, on, err)
	}
	return nil
}

// setSlow makes the disk hang for slowHang of every slowPeriod, or ends that.
func (d *disk) setSlow(on bool) error {
	if d.slow != nil {
		d.slow()
		d.slow = nil
		d.busy.Wait()
	}
	if !on {
		return d.hang(false)
	}
	if err := d.hang(true); err != nil {
		return err
	}
	end := make(chan struct{})
	d.slow = func() { close(end) }
	d.busy.Go(func() {
		for hangs, wait := true, slowHang; ; hangs, wait = !hangs, slowPeriod-wait {
			select {
			case <-end:
				return
			case <-time.After(wait):
				_ = d.hang(!hangs) // an error of this kind the other calls tell
			}
		}
	})
	return nil
}

// filler is the file that takes all room on a full disk.
const filler = "filler"

// reserve is the file in a data folder that a node falls back on.
const reserve = "reserve"

// fillAll takes all room, the node's reserve as well, or gives it back.
func (d *disk) fillAll(on bool) error {
	if err := os.Remove(filepath.Join(d.dir, reserve)); on && err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return d.fill(on)
}

// fill takes all room, or gives it back.
func (d *disk) fill(on bool) error {
	path := filepath.Join(d.dir, filler)
	if !on {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	// In ever smaller pieces, since the file system needs some for its books.
	var size int64
	for piece := int64(diskSize); piece >= 4096; {
		switch err := unix.Fallocate(int(f.Fd()), 0, size, piece); {
		case err == nil:
			size += piece
		case errors.Is(err, unix.ENOSPC):
			piece /= 2
		case !errors.Is(err, unix.EINTR):
			return fmt.Errorf("filling disk %s: %w", d.dir, err)
		}
	}
	return nil
}
