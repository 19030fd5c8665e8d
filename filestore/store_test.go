package filestore

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/filetransfer"
)

func open(t *testing.T, dir string, limit int64) *Store {
	t.Helper()
	s, err := Open(dir, limit, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, s *Store, i Info, content string) {
	t.Helper()
	d, err := s.Create()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Write([]byte("what was cut")); err != nil {
		t.Fatal(err)
	}
	if err := d.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := d.Commit(i); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, s *Store, id ID) string {
	t.Helper()
	f, _, err := s.Open(id)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func id(rtu, address uint32) ID {
	return ID{rtu, filetransfer.Key{Address: asdu.InformationObjectAddress(address), Name: 2}}
}

// What was committed is there after a restart, also in place of a former copy; drafts and what nothing names aren't.
func TestStore(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 1000)
	put(t, s, Info{ID: id(1, 30001), FetchedMs: 1, Sections: []uint32{3}, Node: "fep1"}, "former")
	put(t, s, Info{ID: id(1, 30001), FetchedMs: 2, Sections: []uint32{2, 1}, Node: "fep1"}, "abc")
	put(t, s, Info{ID: id(2, 30001), FetchedMs: 3}, "abc")
	if _, err := s.Create(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "9.9.9.00.data"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		list := s.List(1)
		if len(list) != 1 || list[0].Length != 3 || len(list[0].Sections) != 2 || content(t, s, id(1, 30001)) != "abc" || len(s.List(0)) != 2 {
			t.Fatalf("%+v", s.List(0))
		}
		s = open(t, dir, 1000)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 4 {
		t.Errorf("%v, %v", left, err)
	}
	b := make([]byte, 10)
	if n, err := s.ReadAt(id(1, 30001), s.List(1)[0].SHA256, b, 1); err != nil || string(b[:n]) != "bc" {
		t.Errorf("%q, %v", b[:n], err)
	}
	if _, err := s.ReadAt(id(1, 30001), "other", b, 1); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
	if _, _, err := s.Open(id(3, 1)); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
}

// A copy whose content isn't what was fetched is none, whether its length says so or only its sum.
func TestDamagedCopies(t *testing.T) {
	for _, damaged := range []string{"abd", "ab"} {
		dir := t.TempDir()
		s := open(t, dir, 1000)
		put(t, s, Info{ID: id(1, 5)}, "abc")
		if err := os.WriteFile(s.content(s.List(1)[0]), []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if damaged == "ab" {
			s = open(t, dir, 1000)
		} else if _, _, err := s.Open(id(1, 5)); !errors.Is(err, ErrDamaged) {
			t.Error(err)
		}
		if len(s.List(0)) != 0 {
			t.Errorf("%+v", s.List(0))
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("%v", left)
		}
	}
	s := open(t, t.TempDir(), 1000)
	d, err := s.Create()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Commit(Info{ID: id(1, 5), SHA256: "00"}); !errors.Is(err, ErrDamaged) || len(s.List(0)) != 0 {
		t.Error(err)
	}
}

// The RTU that has most makes room, with what its device made first; what would do so at once isn't wanted, whoever has it. So two
// devices with more than there is room for come to rest.
func TestRoom(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 10)
	made := func(minute int) uint64 {
		return asdu.NewCP56Time2a(time.Date(2026, 11, 29, 12, minute, 0, 0, time.UTC), time.UTC).Uint64()
	}
	for i := range uint32(4) { // fetched the newest first
		put(t, s, Info{ID: id(1, i), FetchedMs: int64(i + 10), Time: made(int(10 - i))}, "abcd")
	}
	if list := s.List(1); len(list) != 2 || list[0].Address != 0 || list[1].Address != 1 {
		t.Errorf("%+v", list)
	}
	for _, c := range []struct {
		i    Info
		want bool
	}{
		{Info{ID: id(1, 9), FetchedMs: 20, Time: made(8), Length: 4}, false}, // older than both
		{Info{ID: id(1, 9), FetchedMs: 20, Time: made(8), Length: 2}, true},
		{Info{ID: id(1, 9), FetchedMs: 20, Time: made(11), Length: 10}, true},
		{Info{ID: id(1, 9), FetchedMs: 20, Time: made(11), Length: 11}, false},
		{Info{ID: id(2, 9), FetchedMs: 20, Time: made(0), Length: 4}, true},  // another's, which has less
		{Info{ID: id(2, 9), FetchedMs: 20, Time: made(0), Length: 9}, false}, // more than the other's
		{Info{ID: id(1, 1), FetchedMs: 11, Time: made(9), Length: 4}, false}, // is here
		{Info{ID: id(1, 1), FetchedMs: 14, Time: made(9), Length: 4}, true},  // was fetched anew
	} {
		if got := s.Wants(c.i); got != c.want {
			t.Errorf("%+v: wanted %v", c.i, got)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 4 {
		t.Errorf("%v", left)
	}

	// Both devices have 20 octets, in files of 2.
	s = open(t, t.TempDir(), 20)
	fetched := 0
	for range 5 {
		for rtu := range uint32(2) {
			for minute := 9; minute >= 0; minute-- {
				i := Info{ID: id(rtu+1, uint32(minute+1)), Time: made(minute), Length: 2, FetchedMs: int64(fetched + 1)}
				if _, have := s.Get(i.ID); !have && s.Wants(i) {
					put(t, s, i, "ab")
					fetched++
				}
			}
		}
	}
	if a, b := s.List(1), s.List(2); len(a) != 5 || len(b) != 5 || fetched > 20 {
		t.Errorf("%d and %d files after %d were fetched", len(a), len(b), fetched)
	}
}
