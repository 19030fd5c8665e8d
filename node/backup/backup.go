// Package backup keeps copies of a station's state and configuration on a FEP, and optionally of the node's keys, encrypted: for the
// day on which all machines are lost.
//
// A copy is one zip file. Its manifest is written last and has the SHA-256 of every other file, so one that was cut short is none.
// It's written beside its place and renamed (internal/atomicfile), so that what has a copy's name is whole.
package backup

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/internal/atomicfile"
	"github.com/fepha/fepha/internal/disk"
)

var (
	// ErrNoRoom: the disk of the folder hasn't room for another copy.
	ErrNoRoom = errors.New("no room for a backup")
	// ErrDamaged: a file isn't what was written, or was never a backup.
	ErrDamaged = errors.New("no whole backup")
)

const (
	format = 1

	manifestFile  = "manifest.json"
	stateFile     = "state.snapshot"
	configFolder  = "configuration/"
	keysFile      = "keys.tar.age"
	suffix        = ".backup"
	leastRoom     = 64 << 20 // octets that are to be free at least before one is written
	maxManifest   = 1 << 20
	maxKeys       = 16 << 20 // octets of all keys
	stampLayout   = "20060102T150405Z"
	mostUnpacking = 8 << 30 // octets that a file may unpack to
)

// workFactor makes guessing at the passphrase slow: a second or so for each guess (scrypt, log2 of N). Tests make it less.
var workFactor = 18

// Manifest tells what a backup holds.
type Manifest struct {
	Format  int    `json:"format"`
	Station uint16 `json:"station"`
	Name    string `json:"name"` // the station's
	Node    string `json:"node"` // whose copy it is
	AtMs    int64  `json:"at_ms"`
	Build   string `json:"build"` // version of the program that has written it
	Index   uint64 `json:"index"` // of the last log entry in the state
	Digest  string `json:"digest"`
	Keys    bool   `json:"keys"` // the node's keys are in it, encrypted
	Files   []File `json:"files"`
}

// File is one in a backup.
type File struct {
	Name   string `json:"name"`
	Octets int64  `json:"octets"`
	SHA256 string `json:"sha256"`
}

// Source is what is copied.
type Source struct {
	Station *configs.Station
	Node    string
	Build   string
	Digest  string // of the configuration
	State   func(w io.Writer) (index uint64, err error)
	Files   *configs.Bundle // of the configuration in force
}

// Copy is a backup in a folder.
type Copy struct {
	Path   string
	At     time.Time
	Octets int64
}

// Dir is the folder of a node's copies, where {node} stands for its id.
func Dir(b *configs.Backup, node string) string { return strings.ReplaceAll(b.Dir, "{node}", node) }

// fileName is such as fepha-21-fep1-20261129T160000Z.backup.
func fileName(station uint16, node string, at time.Time) string {
	return fmt.Sprintf("fepha-%d-%s-%s%s", station, node, at.UTC().Format(stampLayout), suffix)
}

// List tells the copies of a node in a folder, the oldest first.
func List(dir string, station uint16, node string) (all []Copy, err error) {
	entries, err := os.ReadDir(dir)
	named := regexp.MustCompile(`^fepha-` + fmt.Sprint(station) + `-` + regexp.QuoteMeta(node) + `-(\d{8}T\d{6}Z)` + regexp.QuoteMeta(suffix) + `$`)
	for _, e := range entries {
		m := named.FindStringSubmatch(e.Name())
		if m == nil {
			continue
		}
		at, err := time.Parse(stampLayout, m[1])
		info, err2 := e.Info()
		if err != nil || err2 != nil {
			continue // no instant, or removed meanwhile
		}
		all = append(all, Copy{filepath.Join(dir, e.Name()), at, info.Size()})
	}
	slices.SortFunc(all, func(a, b Copy) int { return a.At.Compare(b.At) })
	return all, err
}

// Write makes a copy and removes the oldest beyond what is to be kept. free is the room on a folder's disk; nil: the disk says.
func Write(s Source, now time.Time, free func(dir string) (uint64, error)) (c Copy, err error) {
	b := s.Station.Backup
	dir := Dir(b, s.Node)
	if err := atomicfile.MkdirAll(dir, 0o750); err != nil {
		return c, fmt.Errorf("folder for backups: %w", err)
	}
	before, err := List(dir, s.Station.ID, s.Node)
	if err != nil {
		return c, err
	}
	if free == nil {
		free = disk.Free
	}
	if err := room(dir, before, free); err != nil {
		return c, err
	}
	c = Copy{Path: filepath.Join(dir, fileName(s.Station.ID, s.Node, now)), At: now.UTC().Truncate(time.Second)}
	passphrase := ""
	if !b.PassphraseFile.IsZero() {
		if passphrase, err = readPassphrase(b.PassphraseFile.Path); err != nil {
			return c, err
		}
	}
	if err := atomicfile.WriteFrom(c.Path, 0o600, func(w io.Writer) error { return s.write(w, now, passphrase) }); err != nil {
		return c, err
	}
	info, err := os.Stat(c.Path)
	if err != nil {
		return c, err
	}
	c.Octets = info.Size()
	return c, prune(dir, s.Station.ID, s.Node, b.Keep)
}

// room wants place for two like the newest.
func room(dir string, before []Copy, free func(string) (uint64, error)) error {
	need := int64(leastRoom)
	if len(before) > 0 {
		need = max(need, 2*before[len(before)-1].Octets)
	}
	switch n, err := free(dir); {
	case errors.Is(err, errors.ErrUnsupported):
	case err != nil:
		return err
	case n < uint64(need):
		return fmt.Errorf("%w: %s has %d MiB free, expected %d MiB", ErrNoRoom, dir, n>>20, need>>20)
	}
	return nil
}

func prune(dir string, station uint16, node string, keep int) error {
	all, err := List(dir, station, node)
	for _, c := range all[:max(0, len(all)-keep)] {
		err = errors.Join(err, os.Remove(c.Path))
	}
	return errors.Join(err, atomicfile.SyncDir(dir))
}

// sum counts and hashes what is written.
type sum struct {
	hash.Hash
	n int64
}

func (s *sum) Write(p []byte) (int, error) {
	s.n += int64(len(p))
	return s.Hash.Write(p)
}

func (s Source) write(w io.Writer, now time.Time, passphrase string) error {
	m := Manifest{
		Format: format, Station: s.Station.ID, Name: s.Station.Name, Node: s.Node, AtMs: now.UnixMilli(), Build: s.Build,
		Digest: s.Digest, Keys: passphrase != "",
	}
	z := zip.NewWriter(w)
	put := func(name string, write func(w io.Writer) error) error {
		f, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: now})
		if err != nil {
			return err
		}
		s := &sum{Hash: sha256.New()}
		if err := write(io.MultiWriter(f, s)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		m.Files = append(m.Files, File{name, s.n, hex.EncodeToString(s.Sum(nil))})
		return nil
	}
	if err := put(stateFile, func(w io.Writer) (err error) { m.Index, err = s.State(w); return err }); err != nil {
		return err
	}
	for _, name := range s.Files.Names() {
		if err := put(configFolder+name, func(w io.Writer) error { _, err := w.Write(s.Files.File(name)); return err }); err != nil {
			return err
		}
	}
	if passphrase != "" {
		if err := put(keysFile, func(w io.Writer) error { return encryptKeys(w, s.Station, passphrase) }); err != nil {
			return err
		}
	}
	f, err := z.Create(manifestFile)
	if err == nil {
		enc := json.NewEncoder(f)
		enc.SetIndent("", "  ")
		err = enc.Encode(m)
	}
	return errors.Join(err, z.Close())
}

func readPassphrase(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("passphrase of backups: %w", err)
	}
	p := strings.TrimRight(string(text), "\r\n")
	if p == "" {
		return "", fmt.Errorf("passphrase of backups: %s is empty", path)
	}
	return p, nil
}

// encryptKeys writes the files that station.yaml names, but for the passphrase itself, by the names that they have there.
func encryptKeys(w io.Writer, s *configs.Station, passphrase string) error {
	to, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return err
	}
	to.SetWorkFactor(workFactor)
	sealed, err := age.Encrypt(w, to)
	if err != nil {
		return err
	}
	t := tar.NewWriter(sealed)
	seen := map[string]bool{}
	for _, f := range s.Named {
		if f.Path == s.Backup.PassphraseFile.Path || seen[f.Path] {
			continue
		}
		seen[f.Path] = true
		data, err := os.ReadFile(f.Path)
		if errors.Is(err, os.ErrNotExist) {
			continue // of another node's
		}
		if err != nil {
			return err
		}
		if err := t.WriteHeader(&tar.Header{Name: filepath.ToSlash(f.Name), Mode: 0o600, Size: int64(len(data)), Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		if _, err := t.Write(data); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), sealed.Close())
}

// Verify reads all of a backup and tells what it holds. With a passphrase it reads the keys too. What isn't as it was written is
// ErrDamaged.
func Verify(path, passphrase string) (Manifest, error) {
	return read(path, passphrase, func(string, io.Reader) error { return nil })
}

// Extract verifies a backup and writes what it holds into a folder, which must be new or empty: state.snapshot, configuration/, and
// with the passphrase keys/. Keys that station.yaml names by absolute paths are put below keys/ too.
func Extract(path, passphrase, dir string) (Manifest, error) {
	m, err := Verify(path, passphrase) // before anything is written
	if err != nil {
		return m, err
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return m, fmt.Errorf("%s isn't empty: expected a new folder", dir)
	}
	return read(path, passphrase, func(name string, r io.Reader) error {
		if !filepath.IsLocal(name) {
			return fmt.Errorf("%w: a file named %q", ErrDamaged, name)
		}
		to := filepath.Join(dir, name)
		if err := atomicfile.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		return atomicfile.WriteFrom(to, 0o600, func(w io.Writer) error { _, err := io.Copy(w, r); return err })
	})
}

// read hands each file of a backup to take, keys decrypted one by one if there's a passphrase, and holds all to the manifest.
func read(path, passphrase string, take func(name string, r io.Reader) error) (m Manifest, err error) {
	z, err := zip.OpenReader(path)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
			return m, err
		}
		return m, fmt.Errorf("%w: %s: %w", ErrDamaged, path, err)
	}
	defer func() { err = errors.Join(err, z.Close()) }()
	if m, err = readManifest(&z.Reader); err != nil {
		return m, fmt.Errorf("%w: %s: %w", ErrDamaged, path, err)
	}
	for _, f := range m.Files {
		if err := readFile(&z.Reader, f, passphrase, take); err != nil {
			return m, fmt.Errorf("%s: %s: %w", path, f.Name, err)
		}
	}
	return m, nil
}

func readManifest(z *zip.Reader) (m Manifest, err error) {
	f, err := z.Open(manifestFile)
	if err != nil {
		return m, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err == nil && m.Format != format {
		err = fmt.Errorf("its format is %d, and this program reads %d", m.Format, format)
	}
	if err == nil && !slices.ContainsFunc(m.Files, func(f File) bool { return f.Name == stateFile }) {
		err = errors.New("it has no state")
	}
	return m, err
}

func readFile(z *zip.Reader, f File, passphrase string, take func(name string, r io.Reader) error) (err error) {
	in, err := z.Open(f.Name)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	s := &sum{Hash: sha256.New()}
	r := io.TeeReader(io.LimitReader(in, mostUnpacking), s)
	switch {
	case f.Name != keysFile:
		err = take(f.Name, r)
	case passphrase != "":
		err = readKeys(r, passphrase, take)
	}
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, r); err != nil { // what take has left
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if s.n != f.Octets || hex.EncodeToString(s.Sum(nil)) != f.SHA256 {
		return fmt.Errorf("%w: its content isn't what was written", ErrDamaged)
	}
	return nil
}

func readKeys(r io.Reader, passphrase string, take func(name string, r io.Reader) error) error {
	by, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return err
	}
	open, err := age.Decrypt(r, by)
	if err != nil {
		return fmt.Errorf("the passphrase doesn't open it: %w", err)
	}
	t := tar.NewReader(io.LimitReader(open, maxKeys))
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			_, err := io.Copy(io.Discard, open)
			return err
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		var b bytes.Buffer
		if _, err := io.Copy(&b, t); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if err := take("keys/"+strings.TrimLeft(h.Name, "/"), &b); err != nil {
			return err
		}
	}
}
