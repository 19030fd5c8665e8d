package configs

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Load reads the station.yaml at path and the tables that it names. What's wrong with them comes as *Errors, all of it.
func Load(path string) (*Station, error) {
	s, err := LoadFunc(path, readFile)
	if err == nil {
		s.warnUnused(path)
	}
	return s, err
}

// LoadFS is Load from a file system, such as Examples.
func LoadFS(fsys fs.FS, name string) (*Station, error) {
	return LoadFunc(name, func(file string) ([]byte, error) {
		return fs.ReadFile(fsys, path.Clean(filepath.ToSlash(file)))
	})
}

// LoadFunc is Load with another way to read files: it gets paths that are joined with the folder of station.yaml.
func LoadFunc(path string, read func(path string) ([]byte, error)) (*Station, error) {
	l := newLoader(path, read)
	root := l.root()
	if root == nil {
		return nil, l.errs
	}
	s := l.station(root)
	l.check(s)
	l.tables(s)
	if l.errs.Total > 0 {
		l.errs.sort(l.paths)
		return nil, l.errs
	}
	l.finish(s)
	return s, nil
}

// readFile reads a file, and no more of it than is refused as too large.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxTableSize+1))
}

// loader reads one station.
type loader struct {
	read     func(path string) ([]byte, error)
	dir      string // of station.yaml
	doc      *document
	errs     *Errors
	warnings *Errors
	paths    []string // of the files that were read, for the order of errors
	files    []string // their names as written

	namedFiles []NamedFile

	// What repeats is kept once.
	analogs map[Analog]*Analog
	shared  map[sharedTable]rtuRows

	// For references from uplinks' tables.
	points      map[uint32][]Point    // by RTU; nil: the table can't be read
	virtual     map[virtualKey]string // names
	virtualRTUs map[uint32]bool
}

// sharedTable is what an RTU's points depend on.
type sharedTable struct {
	path   string
	maxIOA uint32
	format AddressFormat
}

func newLoader(file string, read func(string) ([]byte, error)) *loader {
	errs, warnings := &Errors{}, &Errors{what: "warnings"}
	return &loader{
		read: read, dir: filepath.Dir(file), errs: errs, warnings: warnings,
		doc:         &document{file: file, errs: errs, warnings: warnings},
		paths:       []string{file},
		files:       []string{filepath.Base(file)},
		analogs:     map[Analog]*Analog{},
		shared:      map[sharedTable]rtuRows{},
		points:      map[uint32][]Point{},
		virtual:     map[virtualKey]string{},
		virtualRTUs: map[uint32]bool{},
	}
}

// root reads station.yaml; nil where it can't be read as a mapping: every key would be missing.
func (l *loader) root() *object {
	data, err := l.read(l.doc.file)
	if err != nil {
		l.errs.add(Error{File: l.doc.file, Problem: reason(err), Expected: "a station's configuration"})
		return nil
	}
	root := l.doc.parse(data)
	if l.errs.Total > 0 && len(root.fields) == 0 {
		return nil
	}
	return root
}

// reason is an error from reading a file without the file's name, which the message has already.
func reason(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "no such file"
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// tables reads the tables: those of RTUs and virtual points first, since those of uplinks refer to them.
func (l *loader) tables(s *Station) {
	for i := range s.RTUs {
		r := &s.RTUs[i]
		// Devices of one make share a table: it's read once, and its errors are told once.
		key := sharedTable{r.Table.Path, r.IEC104.maxIOA(), r.IOAFormat}
		read, shared := l.shared[key]
		if !shared {
			if data, ok := l.table(fmt.Sprintf("rtus[%d].points", i), r.Table); ok {
				read = l.rtuTable(r.Table.Path, data, key.maxIOA, key.format)
			}
			l.shared[key] = read
		}
		r.Points, r.Controls, r.Chatters = read.points, read.controls, read.chatters
		l.checkConfirmed(r, fmt.Sprintf("rtus[%d]", i))
		if _, twice := l.points[r.Number]; !twice {
			l.points[r.Number] = read.points
		}
	}
	if data, ok := l.table("virtual_points", s.VirtualTable); ok {
		s.VirtualPoints = l.virtualTable(s.VirtualTable.Path, data, s)
	}
	for _, v := range s.VirtualPoints {
		l.virtual[virtualKey{v.RTU, v.Number}] = v.Name
		l.virtualRTUs[v.RTU] = true
	}
	for i := range s.Uplinks {
		u := &s.Uplinks[i]
		if data, ok := l.table(fmt.Sprintf("uplinks[%d].points", i), u.Table); ok {
			u.Points = l.uplinkTable(u.Table.Path, data, u, Sector{IOAFormat: u.IOAFormat})
		}
		for j, sector := range u.Sectors {
			if data, ok := l.table(fmt.Sprintf("uplinks[%d].sectors[%d].points", i, j), sector.Table); ok {
				u.Points = append(u.Points, l.uplinkTable(sector.Table.Path, data, u, sector)...)
			}
		}
		if len(u.Sectors) > 0 {
			slices.SortStableFunc(u.Points, compareUplinkPoints)
			l.checkSectors(u, fmt.Sprintf("uplinks[%d]", i))
		}
	}
}

// table reads the file of a table that a key names; nothing where it names none.
func (l *loader) table(key string, f File) ([]byte, bool) {
	if f.IsZero() {
		return nil, false
	}
	switch strings.ToLower(filepath.Ext(f.Name)) {
	case ".xlsx", ".xlsm", ".xls":
		l.doc.fail(key, quote(f.Name)+" is a workbook", "a table (CSV); `fepha config import "+f.Name+"` fills one from a sheet of its name")
		return nil, false
	}
	data, err := l.read(f.Path)
	if err != nil {
		l.doc.fail(key, quote(f.Name)+": "+reason(err), "a table (CSV) beside "+filepath.Base(l.doc.file))
		return nil, false
	}
	if !slices.Contains(l.paths, f.Path) {
		l.paths = append(l.paths, f.Path)
		l.files = append(l.files, f.Name)
	}
	return data, true
}

// finish fills in the defaults that depend on other keys, and sorts what has an order of its own.
func (l *loader) finish(s *Station) {
	l.warnUnforwarded(s)
	l.warnOneDevice(s)
	slices.SortFunc(s.Cluster.Nodes, func(a, b Node) int { return cmp.Compare(a.Host, b.Host) })
	slices.SortFunc(s.RTUs, func(a, b RTU) int { return cmp.Compare(a.Number, b.Number) })
	for i := range s.RTUs {
		if s.RTUs[i].Prefer == "" {
			s.RTUs[i].Prefer = s.Cluster.Nodes[0].ID
		}
	}
	l.warnings.sort(l.paths)
	s.Files, s.Warnings = l.files, l.warnings
}
