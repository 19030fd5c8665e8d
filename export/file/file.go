// Package file exports to files in a folder of the owner.
//
// A file holds what its owner wrote in one epoch, rows in ascending order, each written to disk before the export's cursor
// passes it. While rows are added it has a companion, NAME.open, with the epoch; when it ends the companion goes, the
// file may be compressed, and NAME.sha256 has its checksum as sha256sum writes it. docs/EXPORTS.md tells users of it.
package file

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fepha/fepha/export"
	"github.com/fepha/fepha/internal/atomicfile"
	"github.com/fepha/fepha/internal/disk"
)

// Format is how a row is written.
type Format string

// The formats.
const (
	CSV   Format = "csv"   // with a heading: export.Columns
	JSONL Format = "jsonl" // an object a line
)

// Config says where the files are.
type Config struct {
	Dir      string
	Station  uint16
	Format   Format
	Rotate   time.Duration // after which a file ends, from when it was begun; 0: never
	Keep     time.Duration // after which a file is removed, from when it ended; 0: never
	Compress bool          // with zstd, when the file ends
	Free     uint64        // octets that must be left free in the folder
}

// openSuffix is of the companion of a file to which rows are added.
const openSuffix = ".open"

// companion is what is in it.
type companion struct {
	Epoch uint64    `json:"epoch"`
	Begun time.Time `json:"begun"`
}

// Driver implements [export.Driver] and [export.Settler].
type Driver struct {
	cfg Config
	now func() time.Time

	mu sync.Mutex // who adds to a file, and who ends it
}

// New makes a driver.
func New(cfg Config) *Driver { return &Driver{cfg: cfg, now: time.Now} }

// SetClock replaces the clock, for tests.
func (d *Driver) SetClock(now func() time.Time) { d.now = now }

// Probe implements [export.Driver]: it tells whether there is a folder, and room in it.
func (d *Driver) Probe(context.Context) error {
	if err := atomicfile.MkdirAll(d.cfg.Dir, 0o750); err != nil {
		return err
	}
	return d.room()
}

func (d *Driver) room() error {
	free, err := disk.Free(d.cfg.Dir)
	if err == nil && free < d.cfg.Free {
		err = fmt.Errorf("%s: %d MB are free, %d MB are to stay free", d.cfg.Dir, free>>20, d.cfg.Free>>20)
	}
	return err
}

// Settle implements [export.Settler]: it ends the files of former epochs without what is a successor's.
func (d *Driver) Settle(start export.Start) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	companions, err := filepath.Glob(filepath.Join(d.cfg.Dir, "events-*"+openSuffix))
	if err != nil {
		return err
	}
	for _, path := range companions {
		var c companion
		data, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(data, &c)
		}
		if err != nil {
			return fmt.Errorf("%s: %w: it's lost which of the file's rows are this node's; remove it to keep them all", path, err)
		}
		if err := d.end(path[:len(path)-len(openSuffix)], start.Cutoff(c.Epoch)); err != nil {
			return err
		}
	}
	return nil
}

// Open implements [export.Driver].
func (d *Driver) Open(_ context.Context, start export.Start) (export.Target, error) {
	if err := d.Probe(context.Background()); err != nil {
		return nil, err
	}
	if err := atomicfile.Sweep(d.cfg.Dir); err != nil {
		return nil, err
	}
	if err := d.Settle(start); err != nil {
		return nil, err
	}
	t := &target{driver: d, epoch: start.Epoch, written: start.After}
	if start.After < start.High { // brought again: only what isn't there
		var err error
		if t.held, err = d.ranges(); err != nil {
			return nil, err
		}
	}
	d.removeOld()
	return t, nil
}

// name is that of a file that begins with this record.
func (d *Driver) name(first uint64) string {
	return filepath.Join(d.cfg.Dir, fmt.Sprintf("events-%d-%d.%s", d.cfg.Station, first, d.cfg.Format))
}

// span is the numbers of a file's rows.
type span struct{ first, last uint64 }

// target is what the owner adds to. It implements [export.Target].
type target struct {
	driver    *Driver
	epoch     uint64
	held      []span // what is in files of before, while records are brought again
	file      *os.File
	begun     time.Time
	written   uint64
	committed uint64
}

// Write implements [export.Target]: it returns when the rows are on the disk. A row is never begun without the whole of it
// on the way: what a crash or a full disk leaves of a last one is taken off when the file is taken up.
func (t *target) Write(_ context.Context, records []export.Record) error {
	var rows bytes.Buffer
	var first uint64
	for i := range records {
		r := &records[i]
		if slices.ContainsFunc(t.held, func(s span) bool { return s.first <= r.Seq && r.Seq <= s.last }) {
			continue
		}
		if first == 0 {
			first = r.Seq
		}
		if err := t.driver.row(&rows, r); err != nil {
			return err
		}
	}
	if first != 0 {
		if err := t.add(first, rows.Bytes()); err != nil {
			return err
		}
	}
	t.written = records[len(records)-1].Seq
	return nil
}

func (t *target) add(first uint64, rows []byte) error {
	t.driver.mu.Lock()
	defer t.driver.mu.Unlock()
	if err := t.driver.room(); err != nil {
		return err
	}
	if t.file == nil {
		if err := t.begin(first); err != nil {
			return err
		}
	}
	// An owner that has lost its epoch may learn that last.
	if _, err := os.Stat(t.file.Name() + openSuffix); err != nil {
		return fmt.Errorf("%s has ended", t.file.Name())
	}
	if _, err := t.file.Write(rows); err != nil {
		return err
	}
	return t.file.Sync()
}

// begin makes the file whose first row is this record's. The companion is there first: no rows are ever of an unknown epoch.
func (t *target) begin(first uint64) error {
	path := t.driver.name(first)
	t.begun = t.driver.now()
	data, err := json.Marshal(companion{t.epoch, t.begun})
	if err != nil {
		return err
	}
	if err := atomicfile.Write(path+openSuffix, data, 0o640); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	if _, err = f.Write(t.driver.heading()); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = atomicfile.SyncDir(t.driver.cfg.Dir)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	t.file = f
	return nil
}

func (d *Driver) heading() []byte {
	if d.cfg.Format != CSV {
		return nil
	}
	var b bytes.Buffer
	_ = writeCSV(&b, export.Columns)
	return b.Bytes()
}

func (d *Driver) row(b *bytes.Buffer, r *export.Record) error {
	if d.cfg.Format == CSV {
		return writeCSV(b, r.Row())
	}
	b.Write(r.JSON())
	return b.WriteByte('\n')
}

// writeCSV writes one line: names have no line breaks, so a line is always a row.
func writeCSV(b *bytes.Buffer, fields []string) error {
	w := csv.NewWriter(b)
	if err := w.Write(oneLine(slices.Clone(fields))); err != nil {
		return err
	}
	w.Flush()
	return w.Error()
}

func oneLine(fields []string) []string {
	lines := strings.NewReplacer("\n", " ", "\r", " ")
	for i, f := range fields {
		fields[i] = lines.Replace(f)
	}
	return fields
}

// Delivered implements [export.Target].
func (t *target) Delivered() uint64 { return t.written }

// Committed implements [export.Target]: a file that is old enough ends, once none of its rows can be a successor's.
func (t *target) Committed(seq uint64) error {
	t.committed = seq
	rotate := t.driver.cfg.Rotate
	if t.file == nil || t.committed < t.written || rotate == 0 || t.driver.now().Before(t.begun.Add(rotate)) {
		return nil
	}
	path := t.file.Name()
	t.driver.mu.Lock()
	defer t.driver.mu.Unlock()
	if err := t.Close(); err != nil {
		return err
	}
	if err := t.driver.end(path, t.committed); err != nil {
		return err
	}
	t.driver.removeOld()
	return nil
}

// Close implements [export.Target]. The file stays open for the next owner's start to be known: Settle ends it.
func (t *target) Close() error {
	if t.file == nil {
		return nil
	}
	err := t.file.Close()
	t.file = nil
	return err
}

// lines calls each with the number of each whole row of a file, and where the row ends, until it says no more. A last line
// without an end is no row.
func (d *Driver) lines(r *bufio.Reader, each func(seq uint64, end int64) (more bool)) error {
	var at int64
	if d.cfg.Format == CSV {
		heading, err := r.ReadBytes('\n')
		if err != nil {
			return nil //nolint:nilerr // not even a heading is whole
		}
		at = int64(len(heading))
	}
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return nil //nolint:nilerr // the end, or a torn row
		}
		at += int64(len(line))
		seq, err := d.seqOf(line)
		if err != nil {
			return fmt.Errorf("octet %d: %w", at-int64(len(line)), err)
		}
		if !each(seq, at) {
			return nil
		}
	}
}

func (d *Driver) seqOf(line []byte) (seq uint64, err error) {
	if d.cfg.Format == JSONL {
		var row struct{ Seq uint64 }
		err := json.Unmarshal(line, &row)
		return row.Seq, err
	}
	fields := bytes.SplitN(line, []byte{','}, 3)
	if len(fields) < 3 {
		return 0, errors.New("no row: expected " + fmt.Sprint(export.Columns))
	}
	_, err = fmt.Sscanf(string(fields[1]), "%d", &seq)
	return seq, err
}
