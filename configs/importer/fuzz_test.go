package importer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/internal/panics"
)

// FuzzMapping reads whatever may be handed over as a mapping.
func FuzzMapping(f *testing.F) {
	f.Add([]byte("tables:\n- {file: 'rtu{RTU}.csv', from: pnt, columns: {kind: \"'di'\"}}"))
	f.Add([]byte("! 000000000000000000000"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "mapping.yaml")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := ReadMapping(path)
		if (m == nil) == (err == nil) {
			t.Errorf("%v, %v", m, err)
		}
	})
}

// FuzzWorkbook reads whatever may be handed over as a workbook. The library's panics are errors, and counted.
func FuzzWorkbook(f *testing.F) {
	book := excelize.NewFile()
	_ = book.SetSheetName("Sheet1", "rtu1")
	for i, cell := range []string{"A1", "B1", "A2", "B2"} {
		_ = book.SetCellValue("rtu1", cell, []any{"kind", "point", "di", 1}[i])
	}
	path := filepath.Join(f.TempDir(), "points.xlsx")
	if err := book.SaveAs(path); err != nil {
		f.Fatal(err)
	}
	octets, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(octets)
	f.Fuzz(func(t *testing.T, octets []byte) {
		path := filepath.Join(t.TempDir(), "points.xlsx")
		if err := os.WriteFile(path, octets, 0o600); err != nil {
			t.Fatal(err)
		}
		before := panics.Counts()["workbook"]
		_, err := Workbook(path, []configs.Table{{File: configs.File{Name: "rtu1.csv"}}})
		if panics.Counts()["workbook"] != before && err == nil {
			t.Error("a panic that was no error")
		}
	})
}
