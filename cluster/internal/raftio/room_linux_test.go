package raftio

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/fepha/fepha/replica"
)

// fill takes all room but for some octets; the returned function gives it back.
func fill(t *testing.T, dir string, but int64) (empty func()) {
	t.Helper()
	path := filepath.Join(dir, "filler")
	free, _ := freeOf(dir)
	if err := setAside(path, free-but); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func openIn(t *testing.T, dir, kind string, log *slog.Logger) *Folder {
	t.Helper()
	f, err := OpenFolder(FolderConfig{
		Dir: dir, LogStore: kind, ID: "fep1", Lease: 1, Log: log,
		Members: []raft.Server{{ID: "fep1", Address: "127.0.0.1:1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A full disk is not a node's end: its log goes on in the reserve, it can be started again, and once there's room the
// reserve is kept anew.
func TestReserve(t *testing.T) {
	for _, kind := range []string{LogStoreBolt, LogStoreWAL} {
		t.Run(kind, func(t *testing.T) {
			dir := smallDisk(t, 256)
			var said bytes.Buffer
			log := slog.New(slog.NewTextHandler(&said, nil))
			f := openIn(t, dir, kind, log)
			f.Room.Keep()
			if d := f.Room.Disk(); d.Reserve < 4<<20 || d.Low() {
				t.Fatalf("%+v: no reserve", d)
			}
			logs := f.SealedLog(nil, ignore)
			last := uint64(1)
			store := func() error {
				last++
				return logs.StoreLog(&raft.Log{Index: last, Term: 1, Data: bytes.Repeat([]byte{byte(last)}, 64<<10)})
			}
			empty := fill(t, dir, 0)
			if kind == LogStoreWAL {
				f.Room.Keep() // in time for its next segment
			}
			for f.Room.Disk().Reserve > 0 {
				if err := store(); err != nil {
					t.Fatalf("entry %d on a full disk: %v", last, err)
				}
			}
			for range 8 {
				if err := store(); err != nil {
					t.Fatalf("entry %d from the reserve: %v", last, err)
				}
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			_ = fillUp(dir)
			f = openIn(t, dir, kind, log) // what was stored is whole, and the start needs no room
			f.Room.Keep()
			logs = f.SealedLog(nil, ignore)
			for i := uint64(2); i <= last; i++ {
				if err := logs.GetLog(i, new(raft.Log)); err != nil {
					t.Fatalf("entry %d: %v", i, err)
				}
			}
			if err := f.Room.Check(1 << 20); !errors.Is(err, replica.ErrNoRoom) {
				t.Errorf("1 MB of what can wait on a full disk: %v", err)
			}
			_ = os.Remove(filepath.Join(dir, "more"))
			empty()
			f.Room.Keep()
			if f.Room.Disk().Reserve == 0 {
				t.Error("no reserve though there's room")
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{"hardly any room on the disk", "the reserve is in use"} {
				if !strings.Contains(said.String(), text) {
					t.Errorf("%q is not said:\n%s", text, &said)
				}
			}
		})
	}
}

// fillUp takes what is left of a disk.
func fillUp(dir string) error {
	f, err := os.Create(filepath.Join(dir, "more"))
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			return err
		}
	}
}

// What a crash has left is removed at the next start.
func TestLeftoversAreRemoved(t *testing.T) {
	dir := t.TempDir()
	if err := openIn(t, dir, LogStoreBolt, slog.Default()).Close(); err != nil {
		t.Fatal(err)
	}
	left := []string{filepath.Join(dir, ".restore.123.tmp"), filepath.Join(dir, ".node.json.1.tmp"), filepath.Join(dir, snapshotsDir, "2-9-1.tmp", "state.bin")}
	for _, path := range left {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o750), os.WriteFile(path, []byte("half"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	f := openIn(t, dir, LogStoreBolt, slog.Default())
	defer f.Close()
	for _, path := range left {
		if exists(path) {
			t.Errorf("%s is still there", path)
		}
	}
	if exists(filepath.Dir(left[2])) {
		t.Error("the folder of an unfinished snapshot is still there")
	}
}

// A stream is taken in one at a time, only while there's room for it twice, and nothing of it is left.
func TestSpool(t *testing.T) {
	dir := smallDisk(t, 64)
	f := openIn(t, dir, LogStoreBolt, slog.Default())
	defer f.Close()
	whole := func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }
	none := func(when string) {
		t.Helper()
		if left, _ := filepath.Glob(filepath.Join(dir, ".restore.*")); len(left) > 0 {
			t.Errorf("%s: %q is left", when, left)
		}
	}

	file, size, done, err := f.Spool(strings.NewReader("a snapshot"), whole)
	if err != nil || size != 10 {
		t.Fatalf("%d octets, %v", size, err)
	}
	if b, err := io.ReadAll(file); string(b) != "a snapshot" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if _, _, _, err := f.Spool(strings.NewReader("another"), whole); !errors.Is(err, replica.ErrBusy) {
		t.Errorf("a second one: %v", err)
	}
	done()
	none("at the end")

	refused := errors.New("no snapshot")
	in := strings.NewReader(strings.Repeat("x", 8<<20))
	if _, _, _, err := f.Spool(in, func(r io.Reader) error {
		_, _ = r.Read(make([]byte, 16))
		return refused
	}); !errors.Is(err, refused) || in.Len() < 7<<20 {
		t.Errorf("what's no snapshot: %v, %d octets not read", err, in.Len())
	}
	none("after a refusal")

	free, _ := freeOf(dir)
	if _, _, _, err := f.Spool(io.LimitReader(endless{}, free), whole); !errors.Is(err, replica.ErrNoRoom) {
		t.Errorf("as much as is free: %v", err)
	}
	none("after it had no room")
	if now, _ := freeOf(dir); now < free-1<<20 {
		t.Errorf("%d octets are free, were %d", now, free)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
