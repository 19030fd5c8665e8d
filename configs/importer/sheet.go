package importer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xuri/excelize/v2"

	"github.com/fepha/fepha/configs"
)

// sheet reads a sheet's rows, in order. What is merged downwards stands in each of its rows.
type sheet struct {
	line          int // of the last row, from 1
	stored, shown *excelize.Rows
	merged        []merged
}

// merged are cells that are shown as one: what stands in the first of them. Columns count from 0, lines from 1.
type merged struct {
	column, from, to int
	value            string
}

func openSheet(book *excelize.File, name string) (s *sheet, err error) {
	s = &sheet{}
	cells, err := book.GetMergeCells(name)
	if err != nil {
		return nil, err
	}
	for _, c := range cells {
		column, from, err1 := excelize.CellNameToCoordinates(c.GetStartAxis())
		_, to, err2 := excelize.CellNameToCoordinates(c.GetEndAxis())
		if err1 == nil && err2 == nil && to > from {
			s.merged = append(s.merged, merged{column: column - 1, from: from, to: to})
		}
	}
	// A cell is read twice: as it's stored, since the shown one is rounded, and as it's shown, since that alone tells 0.5 %
	// from 0.005.
	if s.stored, err = book.Rows(name); err != nil {
		return nil, err
	}
	if s.shown, err = book.Rows(name); err != nil {
		_ = s.stored.Close()
		return nil, err
	}
	return s, nil
}

func (s *sheet) close() {
	_ = s.stored.Close() // what was read is whole
	_ = s.shown.Close()
}

// next reads a row; ok is false after the last.
func (s *sheet) next() (fields []string, ok bool, err error) {
	s.line++
	if !s.stored.Next() || !s.shown.Next() {
		return nil, false, s.stored.Error()
	}
	fields, err = s.stored.Columns(excelize.Options{RawCellValue: true})
	if err != nil {
		return nil, false, err
	}
	texts, err := s.shown.Columns()
	if err != nil {
		return nil, false, err
	}
	for i := range fields {
		if i < len(texts) {
			fields[i] = cell(fields[i], texts[i])
		}
	}
	for i := range s.merged {
		m := &s.merged[i]
		switch {
		case s.line == m.from && m.column < len(fields):
			m.value = fields[m.column]
		case s.line > m.from && s.line <= m.to && m.value != "":
			fields = append(fields, make([]string, max(0, m.column+1-len(fields)))...)
			fields[m.column] = m.value
		}
	}
	return fields, true, nil
}

// header reads up to the row that names the columns: what stands alone in its row above is a title, and where cells of the first
// row that is none are merged downwards, the last row that they reach names the columns.
func (s *sheet) header(format configs.Format) ([]string, error) {
	for {
		fields, ok, err := s.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fmt.Errorf("is empty: expected a header with the columns %s", strings.Join(format.Columns(), ", "))
		}
		named := slices.DeleteFunc(slices.Clone(fields), func(text string) bool { return strings.TrimSpace(text) == "" })
		if len(named) == 0 || len(named) == 1 && !slices.Contains(format.Columns(), configs.Heading(named[0])) {
			continue
		}
		last := s.line
		for _, m := range s.merged {
			if m.from == s.line {
				last = max(last, m.to)
			}
		}
		for s.line < last && ok && err == nil {
			fields, ok, err = s.next()
		}
		return fields, err
	}
}

// cellName is that of a place (from 0) in a line, such as C7.
func cellName(place, line int) string {
	name, err := excelize.CoordinatesToCellName(place+1, line)
	if err != nil {
		return fmt.Sprintf("row %d", line)
	}
	return "cell " + name
}
