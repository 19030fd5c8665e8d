package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// content is what a file has, and fails if anything else lies in its folder.
func content(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if isTemporary(e.Name()) {
			t.Errorf("%s is left", e.Name())
		}
	}
	return string(data)
}

func TestWriteReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, want := range []struct {
		text string
		mode fs.FileMode
	}{{"first, the longer one", 0o600}, {"second", 0o644}, {"", 0o640}} {
		if err := Write(path, []byte(want.text), want.mode); err != nil {
			t.Fatal(err)
		}
		if got := content(t, path); got != want.text {
			t.Errorf("%q, want %q", got, want.text)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want.mode {
			t.Errorf("%q: mode %v, %v, want %v", want.text, info.Mode(), err, want.mode)
		}
	}
}

// What can't be written whole leaves the former content, and nothing beside it.
func TestWriteFailed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := Write(path, []byte("former"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken off")
	err := WriteFrom(path, 0o600, func(w io.Writer) error {
		if _, err := io.WriteString(w, "half of it"); err != nil {
			t.Fatal(err)
		}
		return broken
	})
	if got := content(t, path); !errors.Is(err, broken) || got != "former" {
		t.Errorf("%v, and the file has %q", err, got)
	}
	if err := Write(filepath.Join(dir, "none", "file"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	folder := filepath.Join(dir, "folder")
	if err := os.MkdirAll(filepath.Join(folder, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(folder, nil, 0o600); err == nil {
		t.Error("replaced a folder")
	}
	content(t, path)
}

// Several files: none is replaced if one of them can't be, and what is there already isn't touched.
func TestWriteAll(t *testing.T) {
	dir := t.TempDir()
	kept, changed, made := filepath.Join(dir, "kept"), filepath.Join(dir, "changed"), filepath.Join(dir, "deep", "er", "made")
	for _, path := range []string{kept, changed} {
		if err := Write(path, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.Stat(kept)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{kept: []byte("old"), changed: []byte("new"), made: []byte("new")}
	files[filepath.Join(kept, "below a file")] = nil
	if err := WriteAll(files); err == nil {
		t.Error("a file below a file was written")
	}
	if got := content(t, changed); got != "old" {
		t.Errorf("one of them can't be written, and another has %q", got)
	}
	delete(files, filepath.Join(kept, "below a file"))
	if err := WriteAll(files); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(kept); err != nil || !os.SameFile(before, after) {
		t.Errorf("what had the content already was replaced: %v", err)
	}
	for path, mode := range map[string]fs.FileMode{changed: 0o600, made: 0o644} {
		if got := content(t, path); got != "new" {
			t.Errorf("%s has %q", path, got)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: mode %v, %v, want %v", path, info.Mode(), err, mode)
		}
	}
}

// What a crash in the middle of a write leaves is removed, and nothing else.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	var left string
	if err := WriteFrom(filepath.Join(dir, "file"), 0o600, func(w io.Writer) error {
		left = w.(*os.File).Name()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	others := []string{"file", "notes.tmp", ".hidden"}
	for _, path := range []string{left, filepath.Join(dir, others[1]), filepath.Join(dir, others[2])} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Sweep(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left: %v", left, err)
	}
	for _, name := range others {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}
