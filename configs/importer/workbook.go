package importer

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/internal/panics"
)

// maxUnzipped bounds what a workbook may grow to: it's a ZIP file.
const maxUnzipped = 1 << 30

// Workbook reads an .xlsx file with one sheet a table. A sheet is named after its table, with or without .csv, and its
// first row names the columns; titles may stand above, and headings may be merged over several rows. Sheets without a table in the station are skipped.
func Workbook(path string, tables []configs.Table) (_ *Import, err error) {
	defer panics.Err(slog.Default(), "workbook", &err) // the library has panicked on damaged ones
	book, err := excelize.OpenFile(path, excelize.Options{UnzipSizeLimit: maxUnzipped})
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", path, ErrSource, err)
	}
	defer book.Close()
	imported := &Import{}
	for _, sheet := range book.GetSheetList() {
		table, ok := find(tables, sheet)
		if !ok {
			imported.Skipped = append(imported.Skipped, fmt.Sprintf("sheet %q: no table of this name in station.yaml", sheet))
			continue
		}
		t, err := readSheet(book, path, sheet, table)
		if err != nil {
			return nil, fmt.Errorf("%s: sheet %q: %w: %w", path, sheet, ErrSource, err)
		}
		imported.Tables = append(imported.Tables, t)
	}
	return imported, nil
}

func readSheet(book *excelize.File, path, name string, table configs.Table) (Table, error) {
	s, err := openSheet(book, name)
	if err != nil {
		return Table{}, err
	}
	defer s.close()
	header, err := s.header(table.Format)
	if err != nil {
		return Table{}, err
	}
	layout, place, err := layOut(table.Format, header)
	if err != nil && place >= 0 {
		err = fmt.Errorf("%s: %w", cellName(place, s.line), err)
	}
	if err != nil {
		return Table{}, err
	}
	t := Table{Table: table, Cell: func(line, column int) string {
		cell := fmt.Sprintf("row %d", line)
		if place := layout.place[column]; place >= 0 {
			cell = cellName(place, line)
		}
		return fmt.Sprintf("%s, sheet %s, %s", filepath.Base(path), name, cell)
	}}
	for {
		fields, ok, err := s.next()
		if err != nil || !ok {
			return t, err
		}
		row, empty := layout.row(fields)
		if empty {
			continue
		}
		row.Line = s.line
		if t.Rows = append(t.Rows, row); len(t.Rows) > maxRows {
			return Table{}, fmt.Errorf("has more than %d rows", maxRows)
		}
	}
}

// cell gives a cell's value as a person would type it.
func cell(stored, shown string) string {
	number, err := strconv.ParseFloat(stored, 64)
	switch {
	case err != nil || stored == shown:
		return stored
	case strings.HasSuffix(shown, "%"):
		return plain(number*100) + "%"
	case shown == "TRUE" || shown == "FALSE":
		return strings.ToLower(shown)
	}
	return plain(number)
}

// plain writes a number without the noise of its binary form: Excel keeps 15 digits.
func plain(f float64) string {
	if rounded, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 15, 64), 64); err == nil {
		f = rounded
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}
