package importer

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/internal/testneeds"
)

const stationYAML = `station: {id: 1}
cluster:
  nodes:
    - {id: fep1, host: 1, role: fep, address: "127.0.0.1:7301", api: "127.0.0.1:7311"}
    - {id: fep2, host: 2, role: fep, address: "127.0.0.1:7302", api: "127.0.0.1:7312"}
    - {id: wit, host: 3, role: witness, address: "127.0.0.1:7303", api: "127.0.0.1:7313"}
security: {insecure: true}
rtus: [{number: 1, common_address: 1, points: rtu1.csv, channels: [{address: "127.0.0.1:2404"}]}]
uplinks:
  - name: occ
    common_address: 1
    points: occ.csv
    listen: {fep1: "127.0.0.1:2501", fep2: "127.0.0.1:2502"}
    groups: [{name: occ, clients: [127.0.0.1]}]
virtual_points: virtual.csv
`

const rtu1 = `kind,point,ioa,type,name,deadband,scale,offset,unit,invert,category
di,1,1,M_SP_TB_1,Breaker,,,,,,
di,2,2,M_SP_TB_1,Switch,,,,,,
ai,1,101,,Voltage,0.5,0.10,,kV,,
`

// newStation writes a station into a folder of its own, and gives its path and tables.
func newStation(t *testing.T) (path string, tables []configs.Table) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"station.yaml": stationYAML,
		"rtu1.csv":     rtu1,
		"occ.csv":      "ioa,rtu,kind,point,type,name\n1,1,di,1,M_SP_TB_1,\n",
		"virtual.csv":  "rtu,point,name,source\n900,1,Up,rtu:1\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path = filepath.Join(dir, "station.yaml")
	tables, err := configs.Tables(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, tables
}

// newBook writes a workbook. Cells may be of any type that Excel has.
func newBook(t *testing.T, sheets map[string][][]any) string {
	t.Helper()
	book := excelize.NewFile()
	percent, err := book.NewStyle(&excelize.Style{NumFmt: 9}) // 0%
	if err != nil {
		t.Fatal(err)
	}
	for sheet, rows := range sheets {
		if _, err := book.NewSheet(sheet); err != nil {
			t.Fatal(err)
		}
		for i, row := range rows {
			for j, value := range row {
				at, _ := excelize.CoordinatesToCellName(j+1, i+1)
				if p, ok := value.(percentage); ok {
					value = float64(p)
					if err := book.SetCellStyle(sheet, at, at, percent); err != nil {
						t.Fatal(err)
					}
				}
				if err := book.SetCellValue(sheet, at, value); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if err := book.DeleteSheet("Sheet1"); err != nil { // the one of a new workbook
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "points.xlsx")
	if err := book.SaveAs(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// percentage is a number that is shown with a format of 0%.
type percentage float64

func wantPlan(t *testing.T, plan *Plan, want string) {
	t.Helper()
	var b strings.Builder
	plan.Print(&b, 10)
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestWorkbook(t *testing.T) {
	path, tables := newStation(t)
	book := newBook(t, map[string][][]any{
		"rtu1": {
			{"kind", "Point", "ioa", "type", "name", "deadband", "scale", "invert"},
			{"di", 1, 1, 30, "断路器", nil, nil, true},
			{"di", 3, 3, "M_SP_TB_1", "New", nil, nil, false},
			{},
			{"ai", 1, 101, nil, "Voltage", percentage(0.005), 0.1},
		},
		"Notes": {{"whatever"}},
	})
	imported, err := Workbook(book, tables)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := NewPlan(path, imported)
	if err != nil {
		t.Fatal(err)
	}
	wantPlan(t, plan, `rtu1.csv: 1 added, 2 changed, 1 removed, 0 unchanged
  + di 3: kind "di", point "3", ioa "3", type "M_SP_TB_1", name "New", invert "false"
  ~ di 1: type "M_SP_TB_1" → "30", name "Breaker" → "断路器", invert "" → "true"
  ~ ai 1: deadband "0.5" → "0.5%"
  - di 2: kind "di", point "2", ioa "2", type "M_SP_TB_1", name "Switch"
skipped: sheet "Notes": no table of this name in station.yaml
`)
	table := filepath.Join(filepath.Dir(path), "rtu1.csv")
	if read(t, table) != rtu1 {
		t.Error("a plan has changed the table")
	}
	if err := plan.Apply(); err != nil {
		t.Fatal(err)
	}
	// What the workbook doesn't say (the unit) is as it was, and so is a number that is only written differently.
	if got, want := read(t, table), "\ufeff"+`kind,point,ioa,type,name,deadband,scale,offset,unit,invert,category
di,1,1,30,断路器,,,,,true,
ai,1,101,,Voltage,0.5%,0.10,,kV,,
di,3,3,M_SP_TB_1,New,,,,,false,
`; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if info, err := os.Stat(table); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode: %v, %v", info.Mode(), err)
	}
	again, err := NewPlan(path, imported)
	if err != nil {
		t.Fatal(err)
	}
	if c := again.Changes[0]; len(c.Added)+len(c.Changed)+len(c.Removed) != 0 || c.Unchanged != 3 {
		t.Errorf("the same again changes %+v", c)
	}
}

func TestAMistakeChangesNoFile(t *testing.T) {
	path, tables := newStation(t)
	imported, err := Workbook(newBook(t, map[string][][]any{
		"rtu1.csv": {{"kind", "point", "ioa", "type", "name"}, {"di", 2, 2, 30, "Switch"}, {"di", 3, 2, 30, "Twice"}},
		"virtual":  {{"rtu", "point", "name", "source"}, {900, 1, "Link", "link:1:1:1"}},
	}), tables)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := NewPlan(path, imported)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	want := "points.xlsx, sheet rtu1.csv, cell C3: ioa: 2 is already used in line 2: expected a different one\n" +
		filepath.Join(dir, "occ.csv") + ":2:8: point: di point 1 of RTU 1 is unknown: expected a point of its table"
	if err := plan.Apply(); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if read(t, filepath.Join(dir, "rtu1.csv")) != rtu1 || !strings.Contains(read(t, filepath.Join(dir, "virtual.csv")), "rtu:1") {
		t.Error("a table has changed")
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 4 {
		t.Errorf("files: %v", names)
	}
}

func TestWorkbookRefusals(t *testing.T) {
	_, tables := newStation(t)
	for want, rows := range map[string][][]any{
		`sheet "rtu1": can't be imported: cell C1: unknown column "adress": expected one of kind, point, ioa, type, name, deadband, scale, offset, unit, invert, category, event, low, high`: {{"kind", "point", "adress"}},
		`sheet "rtu1": can't be imported: cell D1: column ioa is there twice`:                     {{"kind", "point", "ioa", "IOA"}},
		`sheet "rtu1": can't be imported: column point is missing: it tells the rows apart`:       {{"kind"}},
		`sheet "rtu1": can't be imported: is empty: expected a header with the columns kind, poi`: {},
	} {
		_, err := Workbook(newBook(t, map[string][][]any{"rtu1": rows}), tables)
		if !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	path, _ := newStation(t)
	for _, file := range []string{"nowhere.xlsx", path} {
		if _, err := Workbook(file, tables); !errors.Is(err, ErrSource) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// What the station would be refused for is told at the cell of the workbook, whose headings may be Chinese.
func TestProblemsAreAtTheirCells(t *testing.T) {
	path, tables := newStation(t)
	book := newBook(t, map[string][][]any{"rtu1": {
		{"种类", "点号", "信息体地址", "类型", "名称"},
		{"遥信", 1, 1, 30, "断路器\n101"},
		{},
		{"遥信", 4, "zzz", 30, "New"},
		{"遥测", 1, 1, nil, "Voltage"},
	}})
	imported, err := Workbook(book, tables)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := NewPlan(path, imported)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(book)
	want := name + `, sheet rtu1, cell C5: ioa: 1 is already used in line 2: expected a different one` + "\n" +
		name + `, sheet rtu1, cell C4: ioa: "zzz" is not a whole number: expected 1 to 16777215`
	if plan.Problems == nil || plan.Problems.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", plan.Problems, want)
	}
}

// A sheet as offices make it: a title above, headings over two rows, cells that are merged downwards. What isn't understood is
// named with its cell.
func TestMergedCells(t *testing.T) {
	path, tables := newStation(t)
	name := newBook(t, map[string][][]any{"rtu1": {
		{"1号变电所 RTU1 点表", nil, nil, nil, nil},
		{},
		{"种类", "点号", "地址", nil, "名称"},
		{nil, nil, "信息体地址", "类型", nil},
		{"遥信", 1, "1", 30, "断路器"},
		{nil, 4, "4001H", 30, "接地刀闸"},
		{nil, 5, "x", 30, "隔离开关"},
	}})
	book, err := excelize.OpenFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range [][2]string{{"A1", "E1"}, {"A3", "A4"}, {"B3", "B4"}, {"C3", "D3"}, {"E3", "E4"}, {"A5", "A7"}} {
		if err := book.MergeCell("rtu1", m[0], m[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := book.Save(); err != nil {
		t.Fatal(err)
	}
	imported, err := Workbook(name, tables)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := NewPlan(path, imported)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, r := range imported.Tables[0].Rows {
		kinds = append(kinds, strings.Join(r.Fields[:3], "/"))
	}
	if want := "di/1/1 di/4/4001H di/5/x"; strings.Join(kinds, " ") != want {
		t.Errorf("%v, want %s", kinds, want)
	}
	if want := `points.xlsx, sheet rtu1, cell C7: ioa: "x" is not a whole number: expected 1 to 16777215`; plan.Problems == nil || !strings.Contains(plan.Problems.Error(), want) {
		t.Errorf("%v, want %s", plan.Problems, want)
	}
}

func TestARowTwiceInTheSource(t *testing.T) {
	path, tables := newStation(t)
	imported, err := Workbook(newBook(t, map[string][][]any{"rtu1": {{"kind", "point"}, {"di", 1}, {"DI", 1}}}), tables)
	if err != nil {
		t.Fatal(err)
	}
	_, err = NewPlan(path, imported)
	if want := "rtu1.csv: can't be imported: di 1 is there twice in the source"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// newDatabase makes a database as older front ends have, with a name in GBK.
func newDatabase(t *testing.T, statements ...string) string {
	t.Helper()
	testneeds.Program(t, "sqlite3")
	path := filepath.Join(t.TempDir(), "site #1.db")
	name, err := simplifiedchinese.GBK.NewEncoder().String("断路器")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range append([]string{
		`CREATE TABLE T037_DI (RTUNO INTEGER, PNTNO INTEGER, ADDR INTEGER, DP INTEGER, PNTNAME TEXT, NEG INTEGER, USED INTEGER)`,
		`INSERT INTO T037_DI VALUES (1, 1, 1, 1, '` + name + `', 0, 1), (1, 2, 2, 0, 'Switch', 1, 1), (1, 9, 9, 0, 'Spare', 0, 0), (7, 1, 1, 0, 'Elsewhere', 0, 1)`,
		`CREATE TABLE T038_AI (RTUNO INTEGER, PNTNO INTEGER, ADDR INTEGER, PNTNAME TEXT, COEF REAL, UNIT TEXT)`,
		`INSERT INTO T038_AI VALUES (1, 1, 101, 'Voltage ', 0.1, 'kV')`,
		`CREATE TABLE T036_VTPNT (RTUNO INTEGER, PNTNO INTEGER, PNTNAME TEXT, SRC TEXT)`,
		`INSERT INTO T036_VTPNT VALUES (900, 1, 'Up', 'rtu:1'), (900, 2, NULL, 'node:fep1')`,
		`CREATE TABLE TB020_UNION (ADDR INTEGER, RTUNO INTEGER, KIND TEXT, PNTNO INTEGER, TYPEID INTEGER)`,
		`INSERT INTO TB020_UNION VALUES (1, 1, 'di', 1, 31), (101, 1, 'ai', 1, 13)`,
	}, statements...) {
		if out, err := exec.Command("sqlite3", path, s).CombinedOutput(); err != nil {
			t.Fatalf("%s: %s", err, out)
		}
	}
	return path
}

func TestDatabase(t *testing.T) {
	path, tables := newStation(t)
	database := newDatabase(t)
	mapping, err := ReadMapping("testdata/mapping.yaml")
	if err != nil {
		t.Fatal(err)
	}
	before := read(t, database)
	imported, err := Database(database, mapping, tables)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := NewPlan(path, imported)
	if err != nil {
		t.Fatal(err)
	}
	wantPlan(t, plan, `rtu1.csv: 0 added, 2 changed, 0 removed, 1 unchanged
  ~ di 1: type "M_SP_TB_1" → "M_DP_TB_1", name "Breaker" → "断路器", invert "" → "0"
  ~ di 2: invert "" → "1"
virtual.csv: 1 added, 0 changed, 0 removed, 1 unchanged
  + 900 2: rtu "900", point "2", source "node:fep1"
occ.csv: 1 added, 1 changed, 0 removed, 0 unchanged
  + 101: ioa "101", rtu "1", kind "ai", point "1", type "13"
  ~ 1: type "M_SP_TB_1" → "31"
skipped: 1 rows for "rtu7.csv": no table of this name in station.yaml
`)
	if err := plan.Apply(); err != nil {
		t.Fatal(err)
	}
	s, err := configs.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if p := s.RTUs[0].Points; len(p) != 3 || !p[1].Invert || p[2].Scaling().Deadband != 0.5 {
		t.Errorf("points: %+v", p)
	}
	if read(t, database) != before {
		t.Error("the database has changed")
	}
}

func TestDatabaseRefusals(t *testing.T) {
	_, tables := newStation(t)
	database := newDatabase(t)
	right := Entry{File: "rtu1.csv", From: "T037_DI", Columns: map[string]string{"kind": "'di'", "point": "PNTNO"}}
	for name, test := range map[string]struct {
		change func(*Entry)
		want   string
	}{
		"table":   {func(e *Entry) { e.From = "T037" }, "no such table: T037"},
		"tables":  {func(e *Entry) { e.From = "T037" }, "the database has the tables T036_VTPNT, T037_DI, T038_AI, TB020_UNION"},
		"column":  {func(e *Entry) { e.Columns = map[string]string{"kind": "'di'", "point": "NO"} }, "no such column: NO"},
		"columns": {func(e *Entry) { e.Columns = map[string]string{"kind": "'di'", "point": "NO"} }, "T037_DI has the columns RTUNO, PNTNO, ADDR, DP, PNTNAME, NEG, USED"},
		"ours":    {func(e *Entry) { e.Columns = map[string]string{"kind": "'di'", "number": "PNTNO"} }, `unknown column "number"`},
		"key":     {func(e *Entry) { e.Columns = map[string]string{"kind": "'di'"} }, "column point is missing"},
	} {
		e := right
		test.change(&e)
		_, err := Database(database, &Mapping{[]Entry{e}}, tables)
		if !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), "tables[0] (rtu1.csv)") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
	}
	if _, err := Database("nowhere.db", &Mapping{}, tables); !errors.Is(err, ErrSource) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat("nowhere.db"); err == nil {
		t.Error("a database that isn't there was made")
	}
	path, _ := newStation(t)
	if _, err := Database(path, &Mapping{[]Entry{right}}, tables); !errors.Is(err, ErrSource) {
		t.Errorf("not a database: %v", err)
	}
}

func TestMappingRefusals(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "tables is missing or empty",
		"tabels: []":                             `[1:1] unknown field "tabels"`,
		"tables: [{file: x}]":                    "tables[0].from is missing",
		"tables: [{from: x}]":                    "tables[0].file is missing",
		"tables: [{":                             "[1:",
		"tables: [{file: 'rtu{N.csv', from: x}]": "has a brace without the other",
	} {
		path := filepath.Join(t.TempDir(), "mapping.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadMapping(path); !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}
