package pointlist

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
)

func TestRead(t *testing.T) {
	want := "[{2 0 1001 breaker, open 30 } {3 0 16385  0 }]"
	book := excelize.NewFile()
	for i, row := range [][]any{{"点号", "名称", "类型"}, {1001, "breaker, open", "M_SP_TB_1"}, {"0x4001", "", ""}} {
		if err := book.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+1), &row); err != nil {
			t.Fatal(err)
		}
	}
	var workbook bytes.Buffer
	if err := book.Write(&workbook); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"CSV":                       "ioa,name,type\n1001,\"breaker, open\",30\n0x4001,,\n,no address,\n",
		"other order and semicolon": "\ufeffName;x;IOA;Type\nbreaker, open;;1001;m_sp_tb_1\n;;0x4001;\n",
		"XLSX":                      workbook.String(),
	} {
		if rows, err := Read([]byte(content)); err != nil || fmt.Sprint(rows) != want {
			t.Errorf("%s: %v, %v, want %s", name, rows, err, want)
		}
	}
	for name, bad := range map[string]struct{ content, says string }{
		"empty":         {"", "no header"},
		"no ioa":        {"number,name\n1,x\n", "expected one that is called ioa"},
		"no number":     {"ioa\nx\n16777216\n", `line 2: ioa "x": expected a number from 0 to 16777215`},
		"no type":       {"ioa,type\n1,M_XX\n", `line 2: type "M_XX": expected a TypeID`},
		"twice":         {"ioa\n5\n5\n", "line 3: ioa 5 is in line 2 already"},
		"a quote":       {"ioa\n\"5\n", "can't be read on"},
		"no text":       {"\xff\xfe\x00", "neither a workbook"},
		"half a book":   {workbook.String()[:500], "workbook can't be read"},
		"many mistakes": {"ioa\n" + strings.Repeat("x\n", 50), "what follows was not looked at"},
	} {
		if _, err := Read([]byte(bad.content)); err == nil || !strings.Contains(err.Error(), bad.says) {
			t.Errorf("%s: %v, want %q", name, err, bad.says)
		}
	}
}

func TestCompare(t *testing.T) {
	here := []Row{{IOA: 1, Name: "a", Type: 30}, {IOA: 2, Name: "b", Type: 30}, {IOA: 3, Name: "c", Type: 36}, {IOA: 4, Name: "d", Type: 30}}
	there := []Row{{IOA: 5, Name: "e"}, {IOA: 1, Name: "a", Type: 1}, {IOA: 2, Name: "x", Type: 30}, {IOA: 3, Type: 9}}
	differences, same := Compare(here, there)
	var got []string
	for _, d := range differences {
		got = append(got, fmt.Sprintf("%d %t %t name %t type %t", d.IOA, d.Here != nil, d.There != nil, d.Name, d.TypeID))
	}
	want := "2 true true name true type false; 3 true true name false type true; 4 true false name false type false; 5 false true name false type false"
	if strings.Join(got, "; ") != want || same != 1 {
		t.Errorf("%d the same, and\n%s, want\n%s", same, strings.Join(got, "; "), want)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("ioa,name\n1,x\n"))
	f.Add([]byte("PK\x03\x04"))
	f.Fuzz(func(t *testing.T, content []byte) {
		rows, err := Read(content)
		if err == nil && len(rows) > maxRows {
			t.Fatal("too many rows")
		}
	})
}
