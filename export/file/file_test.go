package file_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/fepha/fepha/export"
	"github.com/fepha/fepha/export/exporttest"
	"github.com/fepha/fepha/export/file"
	"github.com/fepha/fepha/fsm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rows are the numbers in all files of a folder, whatever state they are in.
func rows(t *testing.T, dirs ...string) (seqs []uint64) {
	t.Helper()
	for _, dir := range dirs {
		paths, _ := filepath.Glob(filepath.Join(dir, "events-21-*.csv*"))
		for _, path := range paths {
			if strings.HasSuffix(path, ".open") || strings.HasSuffix(path, ".sha256") {
				continue
			}
			content := read(t, path)
			r := csv.NewReader(bytes.NewReader(content[:bytes.LastIndexByte(content, '\n')+1]))
			all, err := r.ReadAll()
			if err != nil || !slices.Equal(all[0], export.Columns) {
				t.Fatalf("%s: %v, %v", path, all, err)
			}
			for _, row := range all[1:] {
				seq, err := strconv.ParseUint(row[1], 10, 64)
				if err != nil {
					t.Fatalf("%s: %v", path, err)
				}
				seqs = append(seqs, seq)
			}
		}
	}
	return seqs
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(path, ".zst") {
		z, err := zstd.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		if b, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func TestFaults(t *testing.T) {
	dirs := map[string]string{"fep1": t.TempDir(), "fep2": t.TempDir()}
	exporttest.Faults(t, exporttest.Server{
		Driver: func(node string) export.Driver {
			return file.New(file.Config{Dir: dirs[node], Station: 21, Format: file.CSV, Compress: true})
		},
		Seqs: func() []uint64 {
			exporttest.Within(t, 10*time.Second, "what the former owner wrote has ended", func() bool {
				open, _ := filepath.Glob(filepath.Join(dirs["fep2"], "*.open"))
				return len(open) == 0
			})
			return rows(t, dirs["fep1"], dirs["fep2"])
		},
		Once: true,
	})
	sums, _ := filepath.Glob(filepath.Join(dirs["fep2"], "*.sha256"))
	if len(sums) == 0 {
		t.Error("a file that has ended has no checksum")
	}
	for _, path := range sums {
		content, err := os.ReadFile(strings.TrimSuffix(path, ".sha256"))
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("%x  %s\n", sha256.Sum256(content), strings.TrimSuffix(filepath.Base(path), ".sha256"))
		if line, _ := os.ReadFile(path); string(line) != want {
			t.Errorf("%s: %s, want %s", path, line, want)
		}
	}
}

func records(from, to uint64) (all []export.Record) {
	for seq := from; seq <= to; seq++ {
		all = append(all, export.Record{Station: 21, Seq: seq, Time: time.UnixMilli(0).UTC(), RTU: 1, Kind: "di", Point: 1, Name: "a, \"b\"\nc", Quality: "good", Source: "device"})
	}
	return all
}

// A crash leaves what it likes of the last row, and rows of which the group doesn't know that they were written.
func TestCrash(t *testing.T) {
	for _, c := range []struct {
		name  string
		spans []fsm.ExportSpan
		high  uint64
		want  int
	}{
		{"the same owner goes on", nil, 7, 7},
		{"a successor began before what was written last", []fsm.ExportSpan{{Epoch: 1, After: 0}, {Epoch: 2, After: 5}}, 9, 5},
		{"a successor began after it", []fsm.ExportSpan{{Epoch: 1, After: 0}, {Epoch: 2, After: 10}}, 12, 10},
		{"nothing of it counts", []fsm.ExportSpan{{Epoch: 2, After: 0}}, 12, 0},
	} {
		for _, format := range []file.Format{file.CSV, file.JSONL} {
			t.Run(c.name+", "+string(format), func(t *testing.T) {
				dir := t.TempDir()
				d := file.New(file.Config{Dir: dir, Station: 21, Format: format})
				target, err := d.Open(context.Background(), export.Start{Epoch: 1})
				if err != nil {
					t.Fatal(err)
				}
				if err := target.Write(context.Background(), records(1, 10)); err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(dir, "events-21-1."+string(format))
				tear(t, path)
				if err := d.Settle(export.Start{Epoch: 3, High: c.high, Spans: c.spans}); err != nil {
					t.Fatal(err)
				}
				_ = target.Close()
				left, err := os.ReadFile(path)
				if got := bytes.Count(left, []byte("\n")); c.want == 0 && err == nil || c.want > 0 && got != c.want+map[file.Format]int{file.CSV: 1}[format] {
					t.Errorf("%d lines are left, want %d rows: %s", got, c.want, left)
				}
				if left, _ := filepath.Glob(filepath.Join(dir, "*.open")); len(left) > 0 {
					t.Errorf("%v is left", left)
				}
			})
		}
	}
}

func tear(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`21,11,1970-01-01T00:0`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// A file ends when it is old enough, and not before the group knows of all that is in it; one that is old enough goes.
func TestRotation(t *testing.T) {
	dir := t.TempDir()
	d := file.New(file.Config{Dir: dir, Station: 21, Format: file.CSV, Rotate: time.Minute, Keep: time.Hour})
	now := time.Now()
	d.SetClock(func() time.Time { return now })
	target, err := d.Open(context.Background(), export.Start{Epoch: 1})
	if err != nil {
		t.Fatal(err)
	}
	step := func(from, to, committed uint64, after time.Duration, want string) {
		t.Helper()
		if err := target.Write(context.Background(), records(from, to)); err != nil {
			t.Fatal(err)
		}
		now = now.Add(after)
		if err := target.Committed(committed); err != nil {
			t.Fatal(err)
		}
		paths, _ := filepath.Glob(filepath.Join(dir, "*"))
		for i := range paths {
			paths[i] = strings.TrimPrefix(filepath.Base(paths[i]), "events-21-")
		}
		if got := strings.Join(paths, " "); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	step(1, 10, 10, 59*time.Second, "1.csv 1.csv.open")
	step(11, 20, 19, time.Second, "1.csv 1.csv.open")
	step(21, 30, 30, time.Second, "1.csv 1.csv.sha256")
	step(31, 40, 40, time.Minute, "1.csv 1.csv.sha256 31.csv 31.csv.sha256")
	ended, _ := filepath.Glob(filepath.Join(dir, "*.csv"))
	for _, path := range ended {
		if err := os.Chtimes(path, time.Time{}, now.Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	step(41, 50, 50, time.Minute, "41.csv 41.csv.sha256")
	if err := target.Close(); err != nil {
		t.Error(err)
	}
}

// Records that are brought again go only where they are missing.
func TestReplay(t *testing.T) {
	dir := t.TempDir()
	d := file.New(file.Config{Dir: dir, Station: 21, Format: file.CSV, Compress: true})
	write := func(start export.Start, from, to uint64) {
		t.Helper()
		target, err := d.Open(context.Background(), start)
		if err != nil {
			t.Fatal(err)
		}
		if err := target.Write(context.Background(), records(from, to)); err != nil {
			t.Fatal(err)
		}
		if err := target.Close(); err != nil {
			t.Fatal(err)
		}
	}
	write(export.Start{Epoch: 1}, 1, 10)
	write(export.Start{Epoch: 1, After: 10, High: 10}, 11, 20)
	write(export.Start{Epoch: 1, After: 20, High: 20}, 21, 30)
	if err := d.Settle(export.Start{Epoch: 1, After: 30, High: 30}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "events-21-11.csv.zst")); err != nil {
		t.Fatal(err)
	}
	write(export.Start{Epoch: 1, After: 4, High: 30}, 5, 30)
	got := rows(t, dir)
	slices.Sort(got)
	if len(got) != 30 || len(slices.Compact(got)) != 30 {
		t.Errorf("rows %v", got)
	}
}

func TestNoRoom(t *testing.T) {
	d := file.New(file.Config{Dir: t.TempDir(), Station: 21, Format: file.CSV, Free: 1 << 60})
	if _, err := d.Open(context.Background(), export.Start{}); err == nil || !strings.Contains(err.Error(), "MB are to stay free") {
		t.Error(err)
	}
}
