// Package reload holds what was read from files that may be replaced at any time, so that a renewed certificate or a
// revoked token needs no restart.
package reload

import (
	"io/fs"
	"os"
	"sync"
)

// Value is what was read from some files. It is looked at again each time it is asked for, and read again when one of
// them has changed. While they can't be read, or don't fit together yet, the former value stays.
type Value[T any] struct {
	read   func() (T, error)
	failed func(error)
	paths  []string

	mu    sync.Mutex
	seen  []fs.FileInfo // of the files when value was read
	tried []fs.FileInfo // of the files when the last failure was told of
	value T
}

// New reads for the first time; its error is read's. failed is told why changed files can't be read, once for each
// state of the files, in the goroutine that asks for the value.
func New[T any](read func() (T, error), failed func(error), paths ...string) (*Value[T], error) {
	v := &Value[T]{read: read, failed: failed, paths: paths}
	v.seen = v.stat() // before reading: what changes meanwhile is read again
	var err error
	v.value, err = read()
	return v, err
}

// Get is the value by the files as they are now, or the last that could be read. It may be called by several
// goroutines at once.
func (v *Value[T]) Get() T {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.stat()
	if same(now, v.seen) {
		return v.value
	}
	value, err := v.read()
	if err == nil {
		v.value, v.seen, v.tried = value, now, nil
	} else if v.tried == nil || !same(now, v.tried) {
		v.tried = now
		v.failed(err)
	}
	return v.value
}

// stat asks what lies at the paths; nil stands for a file that isn't there.
func (v *Value[T]) stat() []fs.FileInfo {
	files := make([]fs.FileInfo, len(v.paths))
	for i, path := range v.paths {
		if info, err := os.Stat(path); err == nil {
			files[i] = info
		}
	}
	return files
}

// same tells whether the files are the ones that they were, with the same content as far as can be told without
// reading them.
func same(now, before []fs.FileInfo) bool {
	for i, a := range now {
		b := before[i]
		if a == nil || b == nil {
			if a != b {
				return false
			}
			continue
		}
		if !os.SameFile(a, b) || a.Size() != b.Size() || !a.ModTime().Equal(b.ModTime()) {
			return false
		}
	}
	return true
}
