package configs

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestTablesOfAStationThatIsNotRightYet(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, station(t, "id: 21", "id: 0", "points: rtu2.csv", "points: rtu1.csv", "points: occ.csv", "points: none.csv")); err != nil {
		t.Fatal(err)
	}
	tables, err := Tables(filepath.Join(dir, "station.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, table := range tables {
		got = append(got, table.Name, table.Format.Columns()[0])
	}
	if want := []string{"rtu1.csv", "kind", "none.csv", "ioa", "virtual.csv", "rtu"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if _, err := Tables(filepath.Join(dir, "rtu1.csv")); err == nil {
		t.Error("a table is no station")
	}
}

func TestFormatReadsWithoutJudging(t *testing.T) {
	rows, err := uplinkFormat.Read("occ.csv", []byte("name;ioa;rtu;kind;point;type\nA;x;1;;3;\n"))
	if want := [][]string{{"x", "1", "", "3", "", "A"}}; err != nil || !reflect.DeepEqual(rows, want) {
		t.Errorf("got %q, %v; want %q", rows, err, want)
	}
	if _, err := uplinkFormat.Read("occ.csv", []byte("name;ioa\n")); err == nil {
		t.Error("columns are missing")
	}
}
