package configs

import (
	"slices"

	"github.com/goccy/go-yaml"

	"github.com/fepha/fepha/fsm"
)

// Format is what the tables of one kind look like, for tools that make tables.
type Format struct {
	columns []column
	key     []int // columns that tell rows apart
}

var (
	rtuFormat     = Format{rtuColumns, []int{rtuKind, rtuPoint}}
	uplinkFormat  = Format{uplinkColumns, []int{uplinkIOA}}
	virtualFormat = Format{virtualColumns, []int{virtualRTU, virtualPoint}}
)

// Formats are those of an RTU's table, an uplink's, and the one of virtual points.
func Formats() (rtu, uplink, virtual Format) { return rtuFormat, uplinkFormat, virtualFormat }

// Columns gives the names of all columns, in their usual order.
func (f Format) Columns() []string {
	names := make([]string, len(f.columns))
	for i, c := range f.columns {
		names[i] = c.name
	}
	return names
}

// Required tells whether a table must have the i-th of Columns.
func (f Format) Required(i int) bool { return !f.columns[i].optional }

// Kinds gives the kinds of points for which the i-th of Columns has a meaning; nil: all of them.
func (f Format) Kinds(i int) []fsm.Kind {
	if len(f.columns) > 0 && &f.columns[0] == &rtuColumns[0] {
		return slices.Clone(rtuMeaning[i])
	}
	return nil
}

// Headings gives what the i-th of Columns may be called in Chinese.
func (f Format) Headings(i int) []string {
	var list []string
	for text, name := range headings {
		if name == f.columns[i].name {
			list = append(list, text)
		}
	}
	slices.Sort(list)
	return list
}

// Key gives the indexes of the columns that together tell a row of a table from the others.
func (f Format) Key() []int { return slices.Clone(f.key) }

// Read gives the rows of a table, each in the order of Columns. Of what the fields say nothing is checked. What's wrong
// with the file as such comes as *Errors.
func (f Format) Read(file string, data []byte) ([][]string, error) {
	errs := &Errors{}
	var rows [][]string
	t := table{file: file, columns: f.columns, errs: errs, warnings: &Errors{}}
	t.read(data, func(r *row) {
		fields := make([]string, len(f.columns))
		for i := range fields {
			fields[i] = r.text(i)
		}
		rows = append(rows, fields)
	})
	if errs.Total > 0 {
		return nil, errs
	}
	return rows, nil
}

// Table is a table that a station.yaml names.
type Table struct {
	File
	Format Format
}

// Tables gives the tables that the station.yaml at path names, whether they exist or not and whatever else is wrong in
// it. It fails, with *Errors, only where station.yaml can't be read.
func Tables(path string) ([]Table, error) {
	l := newLoader(path, readFile)
	root := l.root()
	if root == nil {
		return nil, l.errs
	}
	s := l.station(root)
	var tables []Table
	add := func(f File, format Format) {
		if !f.IsZero() && !slices.ContainsFunc(tables, func(t Table) bool { return t.Path == f.Path }) {
			tables = append(tables, Table{f, format})
		}
	}
	for i := range s.RTUs {
		add(s.RTUs[i].Table, rtuFormat)
	}
	for i := range s.Uplinks {
		add(s.Uplinks[i].Table, uplinkFormat)
		for _, sector := range s.Uplinks[i].Sectors {
			add(sector.Table, uplinkFormat)
		}
	}
	add(s.VirtualTable, virtualFormat)
	return tables, nil
}

// YAML is the effective configuration: station.yaml with every default written out. Loaded from the same folder, it
// gives a station with the same digest. It has no secrets, since those are in files that it only names.
func (s *Station) YAML() ([]byte, error) {
	return yaml.MarshalWithOptions(struct {
		Station       *Station `yaml:"station,flow"`
		Cluster       Cluster  `yaml:"cluster"`
		Security      Security `yaml:"security,flow"`
		Redis         Redis    `yaml:"redis"`
		Journal       Journal  `yaml:"journal,flow"`
		Trend         Trend    `yaml:"trend,flow"`
		RTUs          []RTU    `yaml:"rtus,omitempty"`
		Uplinks       []Uplink `yaml:"uplinks,omitempty"`
		VirtualPoints File     `yaml:"virtual_points,omitzero"`
		FNP           *FNP     `yaml:"fnp,omitempty"`
		Exports       []Export `yaml:"exports,omitempty"`
		Backup        *Backup  `yaml:"backup,flow,omitempty"`
	}{s, s.Cluster, s.Security, s.Redis, s.Journal, s.Trend, s.RTUs, s.Uplinks, s.VirtualTable, s.FNP, s.Exports, s.Backup}, yaml.IndentSequence(true))
}
