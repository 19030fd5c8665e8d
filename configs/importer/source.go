package importer

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fepha/fepha/configs"
)

// ErrSource is wrapped by everything that's wrong with a workbook, a database or a mapping.
var ErrSource = errors.New("can't be imported")

// maxRows bounds what is imported into all tables.
const maxRows = 2_000_000

// Table is what a source says about one table of the station.
type Table struct {
	configs.Table
	Rows []Row

	// Cell names where a field stands in the source, such as points.xlsx, sheet rtu1, cell C7; nil: there's no such name.
	Cell func(line, column int) string
}

// Row is a row of a table, in the order of the format's columns.
type Row struct {
	Fields []string
	Given  []bool // which fields the source has; rows share it
	Line   int    // in the source, from 1; 0: it has no such number
}

// Import is what a source says.
type Import struct {
	Tables  []Table
	Skipped []string // what the source has that no table of the station is made of, for people
}

// find gives the station's table with this name, with or without .csv, in any case of letters.
func find(tables []configs.Table, name string) (configs.Table, bool) {
	same := func(t configs.Table) bool {
		return strings.EqualFold(t.Name, name) || strings.EqualFold(strings.TrimSuffix(t.Name, ".csv"), name)
	}
	if i := slices.IndexFunc(tables, same); i >= 0 {
		return tables[i], true
	}
	return configs.Table{}, false
}

// layout is where a source has a format's columns.
type layout struct {
	names []string
	place []int // -1: it hasn't
	given []bool
}

// layOut finds the format's columns in a header. Each of the header's columns must be one, or empty; if one isn't,
// wrong is its place, else -1.
func layOut(format configs.Format, header []string) (l layout, wrong int, err error) {
	names := format.Columns()
	l = layout{names, slices.Repeat([]int{-1}, len(names)), make([]bool, len(names))}
	for i, text := range header {
		name := configs.Heading(text)
		if name == "" {
			continue
		}
		c := slices.Index(names, name)
		switch {
		case c < 0:
			return layout{}, i, fmt.Errorf("unknown column %q: expected one of %s", text, strings.Join(names, ", "))
		case l.given[c]:
			return layout{}, i, fmt.Errorf("column %s is there twice", name)
		}
		l.place[c], l.given[c] = i, true
	}
	for _, c := range format.Key() {
		if !l.given[c] {
			return layout{}, -1, fmt.Errorf("column %s is missing: it tells the rows apart", names[c])
		}
	}
	return l, -1, nil
}

// row picks the format's columns; empty tells that there's nothing in them.
func (l layout) row(fields []string) (row Row, empty bool) {
	row, empty = Row{Fields: make([]string, len(l.place)), Given: l.given}, true
	for c, p := range l.place {
		if p >= 0 && p < len(fields) {
			row.Fields[c] = configs.Plain(l.names[c], strings.TrimSpace(fields[p]))
			empty = empty && row.Fields[c] == ""
		}
	}
	return row, empty
}
