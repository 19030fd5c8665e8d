package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFiles replaces files, by path, with new content. All new files lie complete beside the old ones before the first
// is replaced; what has the content already is left alone.
func WriteFiles(files map[string][]byte) error {
	written := map[string]string{} // by the path that it's for
	defer func() {
		for _, name := range written {
			os.Remove(name) // gone already where it was renamed
		}
	}()
	for path, data := range files {
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
			continue
		}
		name, err := writeBeside(path, data)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		written[path] = name
	}
	dirs := map[string]bool{}
	for path, name := range written {
		if err := os.Rename(name, path); err != nil {
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

// writeBeside writes a file that is to replace the one at path.
func writeBeside(path string, data []byte) (name string, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return "", err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	_, err = f.Write(data)
	return f.Name(), errors.Join(err, f.Chmod(mode), f.Sync())
}

// SyncDir makes durable what was renamed or removed in a folder.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
