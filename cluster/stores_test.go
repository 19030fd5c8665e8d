package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/fepha/fepha/cluster/internal/clustertest"
	"github.com/fepha/fepha/cluster/internal/raftio"
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
		last = s.propose("fep1", clustertest.Pin(rtu1, []string{"fep1", ""}[i%2])).Index
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
	f, err := raftio.OpenFolder(cfg.folder(nil))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	fail := func(error) {}
	if _, err := f.SealedStable(nil, fail).GetUint64([]byte("CurrentTerm")); err != nil {
		return "", fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	log := f.SealedLog(nil, fail)
	m := newStateMachine()
	list, err := f.Snapshots.List()
	if err != nil {
		return "", err
	}
	next := uint64(1)
	if len(list) > 0 {
		_, r, err := f.Snapshots.Open(list[0].ID)
		if err != nil {
			return "", err
		}
		if err := m.Restore(r); err != nil {
			return "", err
		}
		next = list[0].Index + 1
	}
	last, err := log.LastIndex()
	if err != nil {
		return "", err
	}
	for ; next <= last; next++ {
		var l raft.Log
		if err := log.GetLog(next, &l); err != nil {
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
			if kind == LogStoreBolt && refused["raft.db"] == 0 || refused["state.bin"] == 0 {
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
	full, err := cfg.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	f, err := raftio.OpenFolder(full.folder(nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := replay(cfg); !errors.Is(err, ErrDataDir) || !strings.Contains(err.Error(), "locked") {
		t.Errorf("in use: %v", err)
	}
	if err := f.Close(); err != nil {
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
