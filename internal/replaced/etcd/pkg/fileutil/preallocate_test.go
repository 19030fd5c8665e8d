package fileutil

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPreallocate(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, tt := range []struct {
		octets int64
		extend bool
		want   int64
	}{{1 << 20, false, 0}, {1 << 20, true, 1 << 20}} {
		if err := Preallocate(f, tt.octets, tt.extend); err != nil {
			t.Fatal(err)
		}
		if info, err := f.Stat(); err != nil || info.Size() != tt.want {
			t.Errorf("%+v: size %d, %v", tt, info.Size(), err)
		}
	}
	if err := Preallocate(f, 1<<60, true); err == nil {
		t.Error("room for an exbibyte")
	}
}
