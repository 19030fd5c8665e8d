package cluster

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/fepha/fepha/fsm"
)

// used makes a data folder of node fep1 with a log and a snapshot, in dir/fep1, and returns the digest of its state.
func used(t *testing.T, kind string) (dir string, cfg Config, digest string) {
	t.Helper()
	s := newStation(t, func(c *Config) { c.LogStore = kind })
	s.lead("fep1")
	s.owned("fep1", rtu1).Close()
	if _, err := s.nodes["fep1"].Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	var last uint64
	for i := range 50 {
		last = s.propose("fep1", pin(rtu1, []string{"fep1", ""}[i%2])).Index
	}
	until(t, "it's applied", func() bool { at, _ := s.nodes["fep1"].Applied(); return at >= last })
	s.nodes["fep1"].View(func(st *fsm.State) { digest = st.Digest() })
	cfg = s.config("fep1")
	s.close()
	return s.dir, cfg, digest
}

// replay opens a data folder as a node does, and applies its snapshot and its log.
func replay(cfg Config) (digest string, err error) {
	cfg, err = cfg.withDefaults()
	if err != nil {
		return "", err
	}
	s, err := openStores(cfg.DataDir, cfg.LogStore, cfg.Logger)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.settle(cfg); err != nil {
		return "", err
	}
	stable := &checkedStable{s.stable, newDiskWatch(newClock(), time.Hour), func(error) {}}
	if _, err := stable.GetUint64([]byte("CurrentTerm")); err != nil {
		return "", fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	m := newMachine(func() {}, func(uint64) {})
	list, err := s.snapshots.List()
	if err != nil {
		return "", err
	}
	next := uint64(1)
	if len(list) > 0 {
		_, r, err := s.snapshots.Open(list[0].ID)
		if err != nil {
			return "", err
		}
		if err := m.Restore(r); err != nil {
			return "", err
		}
		next = list[0].Index + 1
	}
	last, err := s.log.LastIndex()
	if err != nil {
		return "", err
	}
	for ; next <= last; next++ {
		var l raft.Log
		if err := readLog(s.log, next, &l); err != nil {
			return "", err
		}
		m.ApplyBatch([]*raft.Log{&l})
	}
	return m.state.Digest(), nil
}

// TestDamage flips and cuts the files of a data folder. Whatever is damaged, the node refuses to start, saying so, or
// has the state that it had; it never serves anything else.
func TestDamage(t *testing.T) {
	for _, kind := range []string{LogStoreBolt, LogStoreWAL} {
		t.Run(kind, func(t *testing.T) {
			_, cfg, digest := used(t, kind)
			if got, err := replay(cfg); err != nil || got != digest {
				t.Fatalf("undamaged: %v, digest %s, expected %s", err, got, digest)
			}
			files := filesIn(t, cfg.DataDir)
			rng := rand.New(rand.NewPCG(1, 2))
			refused := map[string]int{}
			times := 200
			if kind == LogStoreWAL {
				times = 40 // its segments are large
			}
			for i := range times {
				bad := cfg
				bad.DataDir = filepath.Join(t.TempDir(), "copy")
				if err := os.CopyFS(bad.DataDir, os.DirFS(cfg.DataDir)); err != nil {
					t.Fatal(err)
				}
				file := filepath.Join(bad.DataDir, files[i%len(files)])
				what := damage(t, rng, file, rng.IntN(4) == 0)
				got, err := replay(bad)
				switch torn := strings.HasSuffix(file, ".wal"); {
				case err == nil && got != digest && !torn: // a WAL can't tell a damaged end from a crash while writing
					t.Errorf("%s, %s: another state is served", file, what)
				case err != nil && !errors.Is(err, ErrDataDir):
					t.Errorf("%s, %s: %v, expected %v", file, what, err, ErrDataDir)
				case err != nil:
					refused[filepath.Base(file)]++
				}
				if err := os.RemoveAll(bad.DataDir); err != nil {
					t.Fatal(err)
				}
			}
			t.Logf("refused: %v", refused)
			if kind == LogStoreBolt && refused[boltFile] == 0 || refused["state.bin"] == 0 {
				t.Error("no damage was ever noticed in the log or in the snapshot")
			}
		})
	}
}

// filesIn lists the files of a folder.
func filesIn(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		files = append(files, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// damage cuts a file short or flips one of its bits.
func damage(t *testing.T, rng *rand.Rand, file string, cut bool) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := rng.IntN(max(1, min(len(data), 256<<10)))
	what := fmt.Sprintf("octet %d flipped", at)
	if cut {
		data, what = data[:at], fmt.Sprintf("cut at %d", at)
	} else {
		data[at] ^= 1 << rng.IntN(8)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return what
}

func TestDataDirIsRefused(t *testing.T) {
	_, cfg, _ := used(t, LogStoreBolt)
	for name, c := range map[string]struct {
		change func(*Config)
		says   string
	}{
		"another node's":      {func(c *Config) { c.ID = "fep2" }, "is node fep1's"},
		"another log store's": {func(c *Config) { c.LogStore = LogStoreWAL }, `log store "wal"`},
	} {
		bad := cfg
		c.change(&bad)
		if _, err := replay(bad); !errors.Is(err, ErrDataDir) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, expected %v and %q", name, err, ErrDataDir, c.says)
		}
	}
	s, err := openStores(cfg.DataDir, cfg.LogStore, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := replay(cfg); !errors.Is(err, ErrDataDir) || !strings.Contains(err.Error(), "locked") {
		t.Errorf("in use: %v", err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.DataDir = file
	if _, err := replay(cfg); !errors.Is(err, ErrDataDir) {
		t.Errorf("a file: %v", err)
	}
}

// TestShorterLease: after a start with a shorter lease a node answers for the longer ones that it had vouched for.
func TestShorterLease(t *testing.T) {
	cfg := Config{ID: "fep1", Members: threeMembers, DataDir: t.TempDir(), Station: testStation(threeMembers), TimeTag: testTag, Lease: 500 * ms}
	for _, c := range []struct{ lease, excess time.Duration }{
		{500 * ms, 0}, {200 * ms, 300 * ms}, {200 * ms, 0}, {900 * ms, 0},
	} {
		cfg.Lease = c.lease
		full, err := cfg.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		s, err := openStores(full.DataDir, full.LogStore, full.Logger)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.settle(full); err != nil || s.excess != c.excess {
			t.Errorf("lease %v: excess %v, %v; expected %v", c.lease, s.excess, err, c.excess)
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCheckedStable: a damaged term or vote is never taken for one.
func TestCheckedStable(t *testing.T) {
	inner := raft.NewInmemStore()
	var told error
	c := &checkedStable{inner, newDiskWatch(newClock(), time.Hour), func(err error) { told = err }}
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
