// Package atomicfile replaces files so that a crash at any moment, a power cut included, leaves the former content or
// the new one, never a part and never nothing. What a call has replaced when it returns is durable: the file and the
// entry of its folder are both synced.
//
// What is written lies beside the file until it is whole; what a crash leaves there, [Sweep] removes.
package atomicfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Write replaces the file at path. Its folder must be there.
func Write(path string, data []byte, mode fs.FileMode) error {
	return WriteFrom(path, mode, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// WriteFrom replaces the file at path by what write writes; an error of write leaves the former.
func WriteFrom(path string, mode fs.FileMode, write func(w io.Writer) error) error {
	temporary, err := writeBeside(path, mode, write)
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return SyncDir(filepath.Dir(path))
}

// WriteAll replaces files, by path, and makes their folders. All new files lie complete beside the old ones before the
// first is replaced; what has the content already is left alone. A file keeps its mode, a new one gets 0644.
func WriteAll(files map[string][]byte) error {
	written := map[string]string{} // by the path that it's for
	defer func() {
		for _, temporary := range written {
			os.Remove(temporary) // gone already where it was renamed
		}
	}()
	for path, data := range files {
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
			continue
		}
		if err := MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if info, err := os.Stat(path); err == nil {
			mode = info.Mode().Perm()
		}
		temporary, err := writeBeside(path, mode, func(w io.Writer) error {
			_, err := w.Write(data)
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		written[path] = temporary
	}
	dirs := map[string]bool{}
	for path, temporary := range written {
		if err := os.Rename(temporary, path); err != nil {
			return err
		}
		dirs[filepath.Dir(path)] = true
	}
	for dir := range dirs {
		if err := SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// writeBeside writes, and syncs, a file that is to replace the one at path.
func writeBeside(path string, mode fs.FileMode, write func(w io.Writer) error) (temporary string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*"+suffix)
	if err != nil {
		return "", err
	}
	if err = f.Chmod(mode); err == nil {
		if err = write(f); err == nil {
			err = f.Sync()
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

const suffix = ".tmp"

func isTemporary(name string) bool {
	return strings.HasPrefix(name, ".") && strings.HasSuffix(name, suffix)
}

// Sweep removes from a folder what a crash has left of files that were being replaced. Nobody may be writing there.
func Sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if isTemporary(e.Name()) && e.Type().IsRegular() {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// MkdirAll makes a folder and those above it, durably.
func MkdirAll(dir string, mode fs.FileMode) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	above := filepath.Dir(dir)
	if above != dir {
		if err := MkdirAll(above, mode); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, mode); err != nil {
		if info, statErr := os.Stat(dir); statErr == nil && info.IsDir() { // another one made it meanwhile
			return nil
		}
		return err
	}
	return SyncDir(above)
}

// SyncDir makes durable what was made, renamed or removed in a folder.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
