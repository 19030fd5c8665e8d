// Package filestore keeps copies of files that devices have, such as disturbance records, on a FEP's disk: each whole and verified, or not
// there. What is kept is bounded; where it is too much, the RTU that has most loses its oldest file.
//
// They are no part of the replicated state: the device has the original, and a FEP that lacks one fetches it again.
package filestore

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/filetransfer"
	"github.com/fepha/fepha/internal/atomicfile"
)

// Bounds of what is kept.
const (
	MaxFile  = asdu.MaxFile // octets of a file; what LOF can say
	MaxTotal = 256 << 20    // octets of a node's files
)

var (
	ErrNone    = errors.New("no such file here")
	ErrDamaged = errors.New("the copy is damaged, and was removed: it's fetched again")
)

// ID names a file of a device.
type ID struct {
	RTU uint32 `json:"rtu"`
	filetransfer.Key
}

// String names the file for people.
func (id ID) String() string { return fmt.Sprintf("file %v of RTU %d", id.Key, id.RTU) }

// Info is what is known of a copy.
type Info struct {
	ID
	Length    uint32   `json:"length"`             // octets
	Time      uint64   `json:"time"`               // when the device made it: octets of a CP56Time2a in the station's time zone
	Sections  []uint32 `json:"sections,omitempty"` // lengths, as the device sent it
	SHA256    string   `json:"sha256"`             // of the content, in hexadecimal digits
	FetchedMs int64    `json:"fetched_ms"`         // since 1970-01-01 UTC, by the clock of the node that fetched it
	Node      string   `json:"node"`               // that fetched it
}

// Store has the copies in a folder. Its methods may be called from any goroutine.
type Store struct {
	dir   string
	limit int64
	log   *slog.Logger

	mu    sync.Mutex
	files map[ID]Info
}

// suffixes of what is in the folder. A copy is its content, named by the sum, and an entry that names it: whatever a crash leaves
// without an entry is removed.
const (
	entrySuffix   = ".json"
	contentSuffix = ".data"
	draftPrefix   = "draft-"
)

// Open opens the store in a folder, which is made with the first copy, with room for limit octets.
func Open(dir string, limit int64, log *slog.Logger) (*Store, error) {
	s := &Store{dir: dir, limit: limit, log: log, files: map[ID]Info{}}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("files of devices: %w", err)
	}
	named := map[string]bool{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), entrySuffix) {
			continue
		}
		var i Info
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err == nil {
			err = json.Unmarshal(data, &i)
		}
		if err == nil && entryName(i.ID) != e.Name() {
			err = fmt.Errorf("it is of %v", i.ID)
		}
		if err == nil {
			var is fs.FileInfo
			if is, err = os.Stat(s.content(i)); err == nil && is.Size() != int64(i.Length) {
				err = fmt.Errorf("has %d octets, expected %d", is.Size(), i.Length)
			}
		}
		if err != nil {
			log.Warn("a copy of a device's file can't be used, and is removed", "entry", e.Name(), "error", err)
			_ = os.Remove(filepath.Join(dir, e.Name()))
			continue
		}
		named[filepath.Base(s.content(i))] = true
		s.files[i.ID] = i
	}
	for _, e := range entries {
		if name := e.Name(); strings.HasPrefix(name, draftPrefix) || strings.HasSuffix(name, contentSuffix) && !named[name] {
			_ = os.Remove(filepath.Join(dir, name))
		}
	}
	return s, nil
}

func entryName(id ID) string { return fmt.Sprintf("%d.%v%s", id.RTU, id.Key, entrySuffix) }

// content is where a copy's octets are. Two files may have the same.
func (s *Store) content(i Info) string {
	return filepath.Join(s.dir, fmt.Sprintf("%d.%v.%.32s%s", i.RTU, i.Key, i.SHA256, contentSuffix))
}

// List is what is there of an RTU, by address and name; of all RTUs for 0.
func (s *Store) List(rtu uint32) []Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.DeleteFunc(slices.Collect(maps.Values(s.files)), func(i Info) bool { return rtu != 0 && i.RTU != rtu })
	slices.SortFunc(list, func(a, b Info) int {
		return cmp.Or(cmp.Compare(a.RTU, b.RTU), cmp.Compare(a.Address, b.Address), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// Get is what is known of a copy.
func (s *Store) Get(id ID) (Info, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.files[id]
	return i, ok
}

// Wants tells whether a file, of a device or that another FEP has, is fetched later than what is here, and would be kept. What makes room is
// never wanted back at once: so nothing is fetched again and again where devices have more than there is room for.
func (s *Store) Wants(i Info) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if have, ok := s.files[i.ID]; ok && have.FetchedMs >= i.FetchedMs {
		return false
	}
	files := maps.Clone(s.files)
	files[i.ID] = i
	return !slices.ContainsFunc(tooMuch(files, s.limit), func(gone Info) bool { return gone.ID == i.ID })
}

// Open opens a copy whose content is what it was when it was fetched. Errors wrap ErrNone or ErrDamaged.
func (s *Store) Open(id ID) (*os.File, Info, error) {
	i, ok := s.Get(id)
	if !ok {
		return nil, i, fmt.Errorf("%v: %w", id, ErrNone)
	}
	f, err := os.Open(s.content(i))
	if err == nil {
		var sum string
		if sum, err = sumOf(f); err == nil && sum != i.SHA256 {
			err = ErrDamaged
		}
		if err == nil {
			_, err = f.Seek(0, io.SeekStart)
		}
		if err == nil {
			return f, i, nil
		}
		f.Close()
	}
	s.log.Error("a copy of a device's file is damaged, and is removed", "file", id, "error", err)
	s.remove(i)
	return nil, i, fmt.Errorf("%v: %w", id, ErrDamaged)
}

// ReadAt reads a part of a copy that another FEP wants: at most len(b) octets of the content with that sum.
func (s *Store) ReadAt(id ID, sum string, b []byte, offset int64) (int, error) {
	i, ok := s.Get(id)
	if !ok || i.SHA256 != sum {
		return 0, fmt.Errorf("%v: %w", id, ErrNone)
	}
	f, err := os.Open(s.content(i))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	n, err := f.ReadAt(b, offset)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

func sumOf(r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// remove takes a copy away, unless it has been replaced meanwhile.
func (s *Store) remove(i Info) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files[i.ID].SHA256 == i.SHA256 {
		s.drop(i)
	}
}

// drop takes a copy away. mu is held.
func (s *Store) drop(i Info) {
	delete(s.files, i.ID)
	_ = os.Remove(filepath.Join(s.dir, entryName(i.ID)))
	_ = os.Remove(s.content(i))
}

// Draft is a file that is coming. It is a sink of filetransfer.
type Draft struct {
	s *Store
	f *os.File
}

// Create begins a file.
func (s *Store) Create() (*Draft, error) {
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return nil, fmt.Errorf("files of devices: %w", err)
	}
	f, err := os.CreateTemp(s.dir, draftPrefix)
	if err != nil {
		return nil, fmt.Errorf("files of devices: %w", err)
	}
	return &Draft{s, f}, nil
}

// Write appends.
func (d *Draft) Write(p []byte) (int, error) { return d.f.Write(p) }

// Truncate cuts it, and goes on writing there.
func (d *Draft) Truncate(size int64) error {
	if err := d.f.Truncate(size); err != nil {
		return err
	}
	_, err := d.f.Seek(size, io.SeekStart)
	return err
}

// Abort ends a draft that isn't to be kept.
func (d *Draft) Abort() {
	d.f.Close()
	_ = os.Remove(d.f.Name())
}

// Commit makes the draft the copy that Info says, in place of a former one. Length and, if it's empty, the sum are filled in; one that
// was given has to be the content's. What is too much then is removed.
func (d *Draft) Commit(i Info) error {
	if err := d.commit(i); err != nil {
		d.Abort()
		return fmt.Errorf("%v: %w", i.ID, err)
	}
	return nil
}

func (d *Draft) commit(i Info) error {
	size, err := d.f.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = d.f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	sum, err := sumOf(d.f)
	switch {
	case err != nil:
		return err
	case i.SHA256 != "" && i.SHA256 != sum:
		return fmt.Errorf("%w: sum %s, expected %s", ErrDamaged, sum, i.SHA256)
	case size > MaxFile:
		return fmt.Errorf("has %d octets, expected at most %d", size, MaxFile)
	}
	i.SHA256, i.Length = sum, uint32(size)
	if err := d.f.Sync(); err != nil {
		return err
	}
	if err := d.f.Close(); err != nil {
		return err
	}
	entry, err := json.Marshal(i)
	if err != nil {
		return err
	}
	s := d.s
	s.mu.Lock()
	defer s.mu.Unlock()
	before, had := s.files[i.ID]
	if err := os.Rename(d.f.Name(), s.content(i)); err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(s.dir, entryName(i.ID)), entry, 0o640); err != nil {
		return err
	}
	s.files[i.ID] = i
	if had && before.SHA256 != i.SHA256 {
		_ = os.Remove(s.content(before))
	}
	s.makeRoom()
	return nil
}

// makeRoom removes what is too much. mu is held.
func (s *Store) makeRoom() {
	for _, i := range tooMuch(s.files, s.limit) {
		s.log.Info("a copy of a device's file makes room", "file", i.ID, "octets", i.Length)
		s.drop(i)
	}
}

// tooMuch is what has to go: always of the RTU that has most, of equal ones that with the lowest number, the file that its device made first.
func tooMuch(files map[ID]Info, limit int64) (gone []Info) {
	var total int64
	shares, of := map[uint32]int64{}, map[uint32][]Info{}
	for _, i := range files {
		total += int64(i.Length)
		shares[i.RTU] += int64(i.Length)
		of[i.RTU] = append(of[i.RTU], i)
	}
	for _, list := range of {
		slices.SortFunc(list, func(a, b Info) int {
			return cmp.Or(cmp.Compare(a.made(), b.made()), cmp.Compare(a.FetchedMs, b.FetchedMs), cmp.Compare(a.Address, b.Address), cmp.Compare(a.Name, b.Name))
		})
	}
	for total > limit {
		most := uint32(0)
		for rtu, share := range shares {
			if share > shares[most] || share == shares[most] && rtu < most {
				most = rtu
			}
		}
		i := of[most][0]
		of[most] = of[most][1:]
		shares[most] -= int64(i.Length)
		total -= int64(i.Length)
		gone = append(gone, i)
	}
	return gone
}

// made is when the device made the file, ms; 0 where its tag is no time.
func (i Info) made() int64 {
	t, err := asdu.UnpackCP56Time2a(i.Time).Time(time.UTC)
	if err != nil {
		return 0
	}
	return t.UnixMilli()
}
