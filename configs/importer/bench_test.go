package importer

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/fepha/fepha/configs"
)

// BenchmarkWorkbook imports 100,000 rows as a dry run does: reads the workbook, compares it with the table, and checks the
// station.
func BenchmarkWorkbook(b *testing.B) {
	dir := b.TempDir()
	station := filepath.Join(dir, "station.yaml")
	files, err := configs.Examples.ReadDir("examples")
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range files {
		if f.IsDir() {
			continue
		}
		data, err := configs.Examples.ReadFile("examples/" + f.Name())
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, f.Name()), data, 0o644)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	book := excelize.NewFile()
	defer book.Close()
	if err := book.SetSheetName("Sheet1", "rtu2"); err != nil {
		b.Fatal(err)
	}
	w, err := book.NewStreamWriter("rtu2")
	if err != nil {
		b.Fatal(err)
	}
	row := func(n int, fields ...any) {
		cell, _ := excelize.CoordinatesToCellName(1, n)
		if err := w.SetRow(cell, fields); err != nil {
			b.Fatal(err)
		}
	}
	row(1, "kind", "point", "ioa", "type", "name", "deadband", "scale", "offset", "unit", "invert", "category")
	const rows = 100_000
	for i := range rows {
		row(i+2, "ai", 1000+i, 1000+i, "M_ME_NC_1", fmt.Sprintf("measurand %d", i), "0.5%", 0.1, 0, "kV", "", "")
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(dir, "points.xlsx")
	if err := book.SaveAs(path); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		tables, err := configs.Tables(station)
		if err != nil {
			b.Fatal(err)
		}
		imported, err := Workbook(path, tables)
		if err != nil {
			b.Fatal(err)
		}
		plan, err := NewPlan(station, imported)
		if err != nil || len(plan.Changes) != 1 || len(plan.Changes[0].Added) != rows {
			b.Fatalf("%v, %+v", err, plan.Skipped)
		}
	}
}
