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

	"github.com/fepha/fepha/internal/atomicfile"
)

// ErrBundle is wrapped by what's wrong with octets that should be a [Bundle].
var ErrBundle = errors.New("no bundle of a configuration")

// maxBundleSize bounds what a bundle unpacks to; packed, it's about a tenth.
const maxBundleSize = maxTableSize

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
		case !filepath.IsLocal(f.Name) || name == bundleRoot:
			errs.add(Error{File: path, Problem: "the table " + quote(f.Name) + " can't be sent to other nodes", Expected: "a name below the folder of station.yaml"})
		default:
			b.files[name] = byPath[f.Path]
		}
	}
	if errs.Total > 0 {
		return nil, nil, errs
	}
	return b, s, nil
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
	}
	add(s.VirtualTable)
	return list
}

// Load is what [Load] would give if the bundle's files lay at path and beside it.
func (b *Bundle) Load(path string) (*Station, error) {
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
	left := int64(maxBundleSize)
	archive := tar.NewReader(zip)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fail("%w", err)
		}
		if h.Typeflag != tar.TypeReg || !filepath.IsLocal(h.Name) || h.Name != filepath.ToSlash(filepath.Clean(h.Name)) {
			return fail("%q: expected a file below the folder of station.yaml", h.Name)
		}
		if left -= h.Size; left < 0 {
			return fail("%q: more than %d MiB unpacked", h.Name, maxBundleSize>>20)
		}
		if b.files[h.Name], err = io.ReadAll(archive); err != nil {
			return fail("%q: %w", h.Name, err)
		}
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
