package importer

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/internal/atomicfile"
)

// Plan is what an import would change.
type Plan struct {
	Changes []Change
	Skipped []string // what the source has that goes nowhere
	// Problems is what would be wrong with the station with the new tables; nil: nothing. What comes from a workbook is at a
	// cell of it, as File; other lines are those of the tables as they would be written.
	Problems *configs.Errors
}

// Change is what an import would change in one table.
type Change struct {
	File                    configs.File
	Added, Changed, Removed []string // rows, for people
	Unchanged               int
	data                    []byte // the new file
	lines, from             []int  // of each row: its line there, and in the source, 0 where it isn't from there
}

// NewPlan compares an import with the tables of the station whose station.yaml is at path. It changes no file.
func NewPlan(path string, imported *Import) (*Plan, error) {
	plan := &Plan{Skipped: imported.Skipped}
	replaced := map[string][]byte{}
	for _, t := range imported.Tables {
		c, err := compare(t)
		if err != nil {
			return nil, err
		}
		plan.Changes = append(plan.Changes, c)
		replaced[t.Path] = c.data
	}
	_, err := configs.LoadFunc(path, func(file string) ([]byte, error) {
		if data, ok := replaced[file]; ok {
			return data, nil
		}
		return os.ReadFile(file)
	})
	if err != nil && !errors.As(err, &plan.Problems) {
		return nil, err
	}
	if plan.Problems != nil {
		for i, t := range imported.Tables {
			plan.Changes[i].locate(t, plan.Problems)
		}
	}
	return plan, nil
}

// locate puts cells of the source for the lines that came from it.
func (c *Change) locate(t Table, problems *configs.Errors) {
	if t.Cell == nil {
		return
	}
	names := t.Format.Columns()
	for i := range problems.List {
		e := &problems.List[i]
		row, begins := slices.BinarySearch(c.lines, e.Line)
		column := slices.Index(names, e.Key)
		if e.File != t.Path || !begins || c.from[row] == 0 || column < 0 {
			continue
		}
		e.File, e.Line, e.Column = t.Cell(c.from[row], column), 0, 0
	}
}

// compare finds out what a table's rows become.
func compare(t Table) (Change, error) {
	c := Change{File: t.File}
	var before [][]string
	data, err := os.ReadFile(t.Path)
	switch {
	case err == nil:
		if before, err = t.Format.Read(t.Path, data); err != nil {
			return Change{}, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return Change{}, err
	}
	keyOf := func(fields []string) string {
		var parts []string
		for _, i := range t.Format.Key() {
			parts = append(parts, strings.ToLower(fields[i]))
		}
		return strings.Join(parts, " ")
	}
	imported := make(map[string]*Row, len(t.Rows))
	for i := range t.Rows {
		key := keyOf(t.Rows[i].Fields)
		if imported[key] != nil {
			return Change{}, fmt.Errorf("%s: %w: %s is there twice in the source", t.Name, ErrSource, key)
		}
		imported[key] = &t.Rows[i]
	}
	names := t.Format.Columns()
	kept := map[string]bool{}
	var after [][]string
	for _, old := range before {
		key := keyOf(old)
		row := imported[key]
		if row == nil || kept[key] {
			c.Removed = append(c.Removed, key+": "+describe(names, old))
			continue
		}
		kept[key] = true
		fields, differences := merge(names, old, row)
		if differences == "" {
			c.Unchanged++
		} else {
			c.Changed = append(c.Changed, key+": "+differences)
		}
		after, c.from = append(after, fields), append(c.from, row.Line)
	}
	for _, row := range t.Rows {
		if key := keyOf(row.Fields); !kept[key] {
			c.Added = append(c.Added, key+": "+describe(names, row.Fields))
			after, c.from = append(after, row.Fields), append(c.from, row.Line)
		}
	}
	c.data, c.lines = encode(t.Format, after)
	return c, nil
}

// merge puts what the source says over a row, and tells what that changes.
func merge(names, old []string, row *Row) (fields []string, differences string) {
	fields = slices.Clone(old)
	var list []string
	for i, given := range row.Given {
		if given && !same(old[i], row.Fields[i]) {
			fields[i] = row.Fields[i]
			list = append(list, fmt.Sprintf("%s %q → %q", names[i], old[i], fields[i]))
		}
	}
	return fields, strings.Join(list, ", ")
}

// same tells whether two texts are equal, or are the same number.
func same(a, b string) bool {
	if a == b {
		return true
	}
	x, errA := strconv.ParseFloat(a, 64)
	y, errB := strconv.ParseFloat(b, 64)
	return errA == nil && errB == nil && x == y
}

// describe lists what isn't empty in a row.
func describe(names, fields []string) string {
	var list []string
	for i, f := range fields {
		if f != "" {
			list = append(list, names[i]+" "+strconv.Quote(f))
		}
	}
	return strings.Join(list, ", ")
}

// encode writes a table: UTF-8 with the mark by which spreadsheets know it. Optional columns are left out where no row
// has anything in them. lines are where the rows begin.
func encode(format configs.Format, rows [][]string) (data []byte, lines []int) {
	var columns []int
	for i := range format.Columns() {
		if format.Required(i) || slices.ContainsFunc(rows, func(fields []string) bool { return fields[i] != "" }) {
			columns = append(columns, i)
		}
	}
	var b bytes.Buffer
	b.WriteString("\ufeff")
	w := csv.NewWriter(&b) // a buffer takes everything
	record := make([]string, len(columns))
	line := 1
	for _, fields := range append([][]string{format.Columns()}, rows...) {
		lines = append(lines, line)
		line++
		for i, c := range columns {
			record[i] = fields[c]
			line += strings.Count(fields[c], "\n")
		}
		w.Write(record)
	}
	w.Flush()
	return b.Bytes(), lines[1:]
}

// Print shows the plan, of each table at most so many rows of a kind.
func (p *Plan) Print(w io.Writer, rows int) {
	for _, c := range p.Changes {
		fmt.Fprintf(w, "%s: %d added, %d changed, %d removed, %d unchanged\n", c.File.Name, len(c.Added), len(c.Changed), len(c.Removed), c.Unchanged)
		for _, kind := range []struct {
			mark string
			list []string
		}{{"+", c.Added}, {"~", c.Changed}, {"-", c.Removed}} {
			for _, row := range kind.list[:min(rows, len(kind.list))] {
				fmt.Fprintf(w, "  %s %s\n", kind.mark, row)
			}
			if more := len(kind.list) - rows; more > 0 {
				fmt.Fprintf(w, "  %s and %d more\n", kind.mark, more)
			}
		}
	}
	for _, s := range p.Skipped {
		fmt.Fprintf(w, "skipped: %s\n", s)
	}
	if p.Problems != nil {
		fmt.Fprintf(w, "the station would be refused:\n%v\n", p.Problems)
	}
}

// Apply writes the tables that change. With Problems it writes nothing and returns them. All new files are complete
// beside the old ones before the first is replaced.
func (p *Plan) Apply() error {
	if p.Problems != nil {
		return p.Problems
	}
	files := map[string][]byte{}
	for _, c := range p.Changes {
		if len(c.Added)+len(c.Changed)+len(c.Removed) > 0 {
			files[c.File.Path] = c.data
		}
	}
	return atomicfile.WriteAll(files)
}
