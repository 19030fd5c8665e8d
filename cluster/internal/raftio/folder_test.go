package raftio

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestShorterLease: after a start with a shorter lease a node answers for the longer ones that it had supported.
func TestShorterLease(t *testing.T) {
	const ms = time.Millisecond
	cfg := FolderConfig{
		Dir: t.TempDir(), LogStore: LogStoreBolt, ID: "fep1", Log: slog.New(slog.DiscardHandler),
		Members: []raft.Server{{ID: "fep1", Address: "127.0.0.1:1"}},
	}
	for _, c := range []struct{ lease, excess time.Duration }{
		{500 * ms, 0}, {200 * ms, 300 * ms}, {200 * ms, 0}, {900 * ms, 0},
	} {
		cfg.Lease = c.lease
		f, err := OpenFolder(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if f.Excess != c.excess {
			t.Errorf("lease %v: excess %v, expected %v", c.lease, f.Excess, c.excess)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSealedStable: a damaged term or vote is never taken for one.
func TestSealedStable(t *testing.T) {
	inner := raft.NewInmemStore()
	var told error
	c := &sealedStable{inner, nil, openRoom(t.TempDir(), LogStoreBolt, slog.Default()), func(err error) { told = err }}
	if _, err := c.GetUint64([]byte("term")); err == nil || err.Error() != "not found" {
		t.Errorf("%v, expected what Raft takes for a key that was never set", err)
	}
	if err := c.SetUint64([]byte("term"), 7); err != nil {
		t.Fatal(err)
	}
	if v, err := c.GetUint64([]byte("term")); v != 7 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
	sealed, _ := inner.Get([]byte("term"))
	if err := inner.Set([]byte("vote"), sealed); err != nil { // whole, but of another key
		t.Fatal(err)
	}
	if _, err := c.Get([]byte("vote")); !errors.Is(err, errDamaged) || told == nil {
		t.Errorf("%v, told %v", err, told)
	}
	for i := range sealed {
		flipped := append([]byte(nil), sealed...)
		flipped[i] ^= 4
		if err := inner.Set([]byte("term"), flipped); err != nil {
			t.Fatal(err)
		}
		if v, err := c.GetUint64([]byte("term")); !errors.Is(err, errDamaged) {
			t.Errorf("octet %d: %d, %v", i, v, err)
		}
	}
}

// A folder that may have what a newer build has written is refused before anything in it is opened, by builds that know levels and
// by those that only compare the id. Until it's marked, every build takes it.
func TestNewerFolderIsRefused(t *testing.T) {
	cfg := FolderConfig{
		Dir: t.TempDir(), LogStore: LogStoreBolt, ID: "fep1", Log: slog.New(slog.DiscardHandler), Level: 2,
		Members: []raft.Server{{ID: "fep1", Address: "127.0.0.1:1"}},
	}
	open := func() *Folder {
		t.Helper()
		f, err := OpenFolder(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := open()
	if got := idInFile(t, cfg.Dir); got != "fep1" {
		t.Errorf("a build that knows no level reads %q", got)
	}
	for _, level := range []uint32{2, 1} {
		if err := f.Mark(level); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if got := idInFile(t, cfg.Dir); !strings.Contains(got, "a newer version of fepha") {
		t.Errorf("a build that knows no level reads %q", got)
	}
	if err := open().Close(); err != nil {
		t.Error(err)
	}
	before := listing(t, cfg.Dir)
	cfg.Level = 1
	if _, err := OpenFolder(cfg); !errors.Is(err, ErrDataDir) || !strings.Contains(err.Error(), "feature level 2, and this one knows 0 to 1") {
		t.Errorf("%v", err)
	}
	if after := listing(t, cfg.Dir); after != before {
		t.Errorf("something was touched:\n%s\n%s", before, after)
	}
	cfg.Level, cfg.ID = 2, "fep2"
	if _, err := OpenFolder(cfg); !errors.Is(err, ErrDataDir) || !strings.Contains(err.Error(), "is node fep1's, not fep2's") {
		t.Errorf("another node's: %v", err)
	}
}

// The log may have what the record doesn't say yet, if the power failed in between.
func TestNewerLogIsRefused(t *testing.T) {
	cfg := FolderConfig{
		Dir: t.TempDir(), LogStore: LogStoreBolt, ID: "fep1", Log: slog.New(slog.DiscardHandler), Level: 1,
		Members:  []raft.Server{{ID: "fep1", Address: "127.0.0.1:1"}},
		RaisedTo: func(l *raft.Log) uint32 { return uint32(len(l.Data)) * min(1, uint32(l.Index/2)) },
	}
	f, err := OpenFolder(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.SealedLog(nil, ignore).StoreLog(&raft.Log{Index: 2, Term: 1, Data: []byte{1, 2}}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFolder(cfg); !errors.Is(err, errNewer) || strings.Contains(err.Error(), HowToRejoin) {
		t.Errorf("%v", err)
	}
	cfg.Level = 2
	if f, err = OpenFolder(cfg); err != nil {
		t.Fatal(err)
	}
	f.Close()
}

func idInFile(t *testing.T, dir string) string {
	t.Helper()
	var old struct {
		ID string `json:"id"`
	}
	data, err := os.ReadFile(filepath.Join(dir, nodeFile))
	if err == nil {
		err = json.Unmarshal(data, &old)
	}
	if err != nil {
		t.Fatal(err)
	}
	return old.ID
}

// listing is what lies in a folder, with times.
func listing(t *testing.T, dir string) (list string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		list += fmt.Sprintln(e.Name(), info.Size(), info.ModTime())
	}
	return list
}
