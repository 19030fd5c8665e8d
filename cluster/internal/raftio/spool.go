package raftio

import (
	"fmt"
	"io"
	"os"

	"github.com/fepha/fepha/replica"
)

// Spool copies a stream to the folder, for Raft to read it again; check reads it on its way, so that what can't be used ends
// at once. One at a time (else [replica.ErrBusy]), and only while there's room for it and for the copy that Raft makes
// (else [replica.ErrNoRoom]). The caller calls done at the end; what a crash leaves is removed at the next start.
func (f *Folder) Spool(from io.Reader, check func(io.Reader) error) (file *os.File, size int64, done func(), err error) {
	if !f.spooling.TryLock() {
		return nil, 0, nil, replica.ErrBusy
	}
	file, err = os.CreateTemp(f.Room.dir, ".restore.*.tmp") // a name that atomicfile.Sweep removes
	if err != nil {
		f.spooling.Unlock()
		return nil, 0, nil, err
	}
	done = func() {
		_ = file.Close()
		_ = os.Remove(file.Name())
		f.spooling.Unlock()
	}
	w := &spool{file: file, room: f.Room}
	err = check(io.TeeReader(from, w))
	if w.err != nil {
		err = w.err
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		done()
		return nil, 0, nil, err
	}
	return file, w.size, done, nil
}

// spool writes to a file while there's room for as much again.
type spool struct {
	file    *os.File
	room    *Room
	size    int64
	checked int64 // for this size there's room
	err     error // why it wrote no more
}

// spoolStep is after how many octets the room is looked at again.
const spoolStep = 1 << 20

func (s *spool) Write(p []byte) (int, error) {
	if size := s.size + int64(len(p)); s.err == nil && size > s.checked {
		s.checked = size + spoolStep
		s.err = s.room.Check(s.checked - s.size + s.checked)
	}
	if s.err == nil {
		if _, err := s.file.Write(p); err != nil {
			s.err = fmt.Errorf("spooling: %w", err)
		}
	}
	s.size += int64(len(p))
	return len(p), s.err
}
