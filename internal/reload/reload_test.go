package reload

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestValue(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	put := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	reads, broken := 0, errors.New("don't fit together")
	var told []error
	read := func() (string, error) {
		reads++
		a, err := os.ReadFile(path)
		b, errB := os.ReadFile(other)
		if err := errors.Join(err, errB); err != nil {
			return "", err
		}
		if len(a) != len(b) {
			return "", broken
		}
		return string(a) + string(b), nil
	}
	failed := func(err error) { told = append(told, err) }
	if _, err := New(read, failed, path, other); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no files: %v", err)
	}
	put(path, "1")
	put(other, "x")
	v, err := New(read, failed, path, other)
	if err != nil {
		t.Fatal(err)
	}
	reads = 0
	expect := func(want string, wantReads, wantTold int) {
		t.Helper()
		if got := v.Get(); got != want || reads != wantReads || len(told) != wantTold {
			t.Errorf("%q after %d reads, %d failures told (%v); want %q, %d, %d", got, reads, len(told), told, want, wantReads, wantTold)
		}
	}
	expect("1x", 0, 0)
	put(path, "22") // half of a renewal
	expect("1x", 1, 1)
	expect("1x", 2, 1) // tried again, for what failed may be another reason; told once
	put(other, "yy")
	expect("22yy", 3, 1)
	expect("22yy", 3, 1)
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	expect("22yy", 4, 2)
	put(other, "yz")
	expect("22yz", 5, 2)

	// A file of the same size and time, put into the place of the former.
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	put(path+".new", "33")
	if err := errors.Join(os.Chtimes(path+".new", time.Time{}, info.ModTime()), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
	expect("33yz", 6, 2)
}
