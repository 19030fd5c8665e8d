package configs

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/fepha/fepha/internal/atomicfile"
)

// ErrBundle is wrapped by what's wrong with octets that should be a [Bundle].
var ErrBundle = errors.New("no bundle of a configuration")

// Bounds of a bundle. What is packed well is a tenth of what it unpacks to; noughts alone would be a thousandth.
const (
	maxBundleSize  = maxTableSize // octets, unpacked
	maxBundleRatio = 100          // how many times its packed size it may unpack to, beyond the first MiB
	maxBundleFiles = 4096
	maxBundleName  = 200 // octets of a file's name
)

// bundleRoot is the name that station.yaml has in a bundle, whatever it's called elsewhere.
const bundleRoot = "station.yaml"

// Bundle is a station.yaml with the tables that it names, to be sent to other machines. Keys, certificates and passwords
// are never in it: each node has its own.
type Bundle struct {
	files map[string][]byte // by name, with slashes
}

// ReadBundle loads the station.yaml at path, and keeps what it was read from. What's wrong comes as *Errors: beside what
// Load says, a table that lies outside of the folder, since on other machines it would have no place.
func ReadBundle(path string) (*Bundle, *Station, error) {
	b := &Bundle{map[string][]byte{}}
	byPath := map[string][]byte{}
	s, err := LoadFunc(path, func(file string) ([]byte, error) {
		data, err := readFile(file)
		byPath[file] = data
		return data, err
	})
	if err != nil {
		return nil, nil, err
	}
	errs := &Errors{}
	for i, f := range s.files() {
		name := filepath.ToSlash(filepath.Clean(f.Name))
		switch {
		case i == 0:
			b.files[bundleRoot] = byPath[path]
		case !tableName(name):
			errs.add(Error{File: path, Problem: "the table " + quote(f.Name) + " can't be sent to other nodes", Expected: "a name below the folder of station.yaml that ends in .csv"})
		default:
			b.files[name] = byPath[f.Path]
		}
	}
	if errs.Total > 0 {
		return nil, nil, errs
	}
	return b, s, nil
}

// tableName tells whether a bundle may have a table of that name: one that lies below the folder of station.yaml, and that no key, token
// or certificate has.
func tableName(name string) bool {
	return filepath.IsLocal(name) && name == filepath.ToSlash(filepath.Clean(name)) && filepath.Ext(name) == ".csv" && len(name) <= maxBundleName &&
		!strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == '\\' })
}

// files are station.yaml, whose path isn't known, and the tables.
func (s *Station) files() []File {
	list := []File{{Name: bundleRoot}}
	add := func(f File) {
		if !f.IsZero() && !slices.Contains(list, f) {
			list = append(list, f)
		}
	}
	for i := range s.RTUs {
		add(s.RTUs[i].Table)
	}
	for i := range s.Uplinks {
		add(s.Uplinks[i].Table)
		for _, sector := range s.Uplinks[i].Sectors {
			add(sector.Table)
		}
	}
	add(s.VirtualTable)
	return list
}

// Load is what [Load] would give if the bundle's files lay at path and beside it. Beside station.yaml and the tables that it names
// there may be nothing, or errors wrap ErrBundle: what a bundle has is written into the nodes' folders.
func (b *Bundle) Load(path string) (*Station, error) {
	s, err := b.load(path)
	if err != nil {
		return nil, err
	}
	named := map[string]bool{}
	for _, f := range s.files() {
		named[filepath.ToSlash(filepath.Clean(f.Name))] = true
	}
	for _, name := range slices.Sorted(maps.Keys(b.files)) {
		if !named[name] {
			return nil, fmt.Errorf("%w: it has %q: expected station.yaml and the tables that it names, and nothing else", ErrBundle, name)
		}
	}
	return s, nil
}

func (b *Bundle) load(path string) (*Station, error) {
	dir := filepath.Dir(path)
	return LoadFunc(path, func(file string) ([]byte, error) {
		name := bundleRoot
		if file != path {
			rel, err := filepath.Rel(dir, file)
			if err != nil {
				return nil, err
			}
			name = filepath.ToSlash(rel)
		}
		if data, ok := b.files[name]; ok {
			return data, nil
		}
		return nil, fs.ErrNotExist
	})
}

// Encode packs the bundle (tar, gzip). Equal bundles give equal octets.
func (b *Bundle) Encode() ([]byte, error) {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	for _, name := range slices.Sorted(maps.Keys(b.files)) {
		data := b.files[name]
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), Format: tar.FormatPAX}); err != nil {
			return nil, err
		}
		if _, err := archive.Write(data); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(archive.Close(), zip.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Names are the files' names, with slashes: station.yaml, then the tables.
func (b *Bundle) Names() []string {
	names := []string{bundleRoot}
	for _, name := range slices.Sorted(maps.Keys(b.files)) {
		if name != bundleRoot {
			names = append(names, name)
		}
	}
	return names
}

// File is what a file has in it; nil: there is none of that name.
func (b *Bundle) File(name string) []byte { return b.files[name] }

// DecodeBundle unpacks a bundle. Errors wrap ErrBundle.
func DecodeBundle(data []byte) (*Bundle, error) {
	fail := func(format string, args ...any) (*Bundle, error) {
		return nil, fmt.Errorf("%w: "+format, append([]any{ErrBundle}, args...)...)
	}
	zip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return fail("%w", err)
	}
	b := &Bundle{map[string][]byte{}}
	most := min(int64(maxBundleSize), maxBundleRatio*int64(len(data))+1<<20)
	left := most
	archive := tar.NewReader(zip)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fail("%w", err)
		}
		if h.Typeflag != tar.TypeReg || h.Name != bundleRoot && !tableName(h.Name) {
			return fail("%.200q: expected station.yaml, or a table (.csv) below its folder", h.Name)
		}
		if b.files[h.Name] != nil || len(b.files) == maxBundleFiles {
			return fail("%q: it's there twice, or there are more than %d files", h.Name, maxBundleFiles)
		}
		if left -= h.Size; left < 0 || h.Name == bundleRoot && h.Size > maxYAMLSize {
			return fail("%q: more than %d octets unpacked from %d", h.Name, most, len(data))
		}
		content := make([]byte, h.Size) // which is within bounds, and read without growing
		if _, err := io.ReadFull(archive, content); err != nil {
			return fail("%q: %w", h.Name, err)
		}
		b.files[h.Name] = content
	}
	if b.files[bundleRoot] == nil {
		return fail("it has no %s", bundleRoot)
	}
	return b, nil
}

// Write puts the bundle's files at path and beside it: those that differ from what's there. All of them lie complete
// beside the old ones before the first is replaced; repeated after a crash it ends the same.
func (b *Bundle) Write(path string) error {
	return atomicfile.WriteAll(b.at(path))
}

// at gives the bundle's files by path, for a station.yaml at path.
func (b *Bundle) at(path string) map[string][]byte {
	files := map[string][]byte{}
	for name, data := range b.files {
		if name == bundleRoot {
			files[path] = data
		} else {
			files[filepath.Join(filepath.Dir(path), filepath.FromSlash(name))] = data
		}
	}
	return files
}

// Writable tries whether Write could write at path.
func (b *Bundle) Writable(path string) error {
	tried := map[string]bool{}
	for file := range b.at(path) {
		dir := filepath.Dir(file)
		for !exists(dir) {
			dir = filepath.Dir(dir)
		}
		if tried[dir] {
			continue
		}
		tried[dir] = true
		f, err := os.CreateTemp(dir, ".fepha-*")
		if err != nil {
			return fmt.Errorf("%s can't be written to: %w", dir, err)
		}
		if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
			return err
		}
	}
	return nil
}

func exists(dir string) bool {
	_, err := os.Stat(dir)
	return err == nil || filepath.Dir(dir) == dir
}
