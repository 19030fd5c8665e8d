package configs

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf16"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/fepha/fepha/fsm"
)

// readRTU reads a table of an RTU by itself.
func readRTU(data string) ([]Point, *Errors) {
	l := newLoader("station.yaml", nil)
	points := l.rtuTable("rtu.csv", []byte(data), 1<<24-1, "").points
	return points, l.errs
}

func toUTF16(text string, order binary.AppendByteOrder) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
		b = order.AppendUint16(b, unit)
	}
	return string(b)
}

func TestTablesAreReadAsSpreadsheetsExportThem(t *testing.T) {
	const text = "kind,point,ioa,type,name,deadband,scale,offset,unit,invert,category\n" +
		"di,1,1,M_SP_TB_1,断路器 101,,,,,true,\n" +
		"ai,1,101,,\"电压\nA 相, \"\"U\"\"\",0.5,0.25,-1,kV,,\n"
	want := []Point{
		{Name: "断路器 101", Number: 1, IOA: 1, Kind: fsm.DI, Type: 30, Invert: true, Event: true},
		{Name: "电压\nA 相, \"U\"", Number: 1, IOA: 101, Kind: fsm.AI, Analog: &Analog{
			Scale: 0.25, Offset: -1, Deadband: 0.5, Low: unscaled.Low, High: unscaled.High, Unit: "kV"}},
	}
	gb, err := simplifiedchinese.GB18030.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	semicolons := "kind;point;ioa;type;name;deadband;scale;offset;unit;invert;category\n" +
		"di;1;1;M_SP_TB_1;断路器 101;;;;;TRUE;\n" +
		"ai;1;101;;\"电压\nA 相, \"\"U\"\"\";0,5;0,25;-1;kV;;\n"
	for name, data := range map[string]string{
		"UTF-8":               text,
		"UTF-8 with BOM":      "\ufeff" + text,
		"GB18030":             gb,
		"UTF-16LE":            toUTF16(text, binary.LittleEndian),
		"UTF-16BE":            toUTF16(text, binary.BigEndian),
		"tabs":                strings.ReplaceAll(strings.ReplaceAll(text, ",", "\t"), "\t \"", ", \""),
		"semicolons":          semicolons,
		"separator's hint":    "sep=;\r\n" + semicolons,
		"CRLF":                strings.ReplaceAll(text, "\n", "\r\n"),
		"no newline at end":   strings.TrimSuffix(text, "\n"),
		"other columns":       "Point , IOA,KIND,type,name,deadband,scale,offset,unit,invert,category,event\n1,1,di,30,断路器 101,,,,,1,,\n1,101,ai,,\"电压\nA 相, \"\"U\"\"\",0.5,.25,-1,kV,no,,\n",
		"empty rows":          strings.Replace(text, "\nai", "\n\n,,,,,,,,,,\nai", 1) + ",,,\n",
		"unused last columns": strings.Replace(strings.Replace(text, "category\n", "category,,\n", 1), "true,\n", "true,,,\n", 1),
		"short rows":          strings.Replace(text, "kV,,\n", "kV\n", 1),
	} {
		t.Run(name, func(t *testing.T) {
			got, errs := readRTU(data)
			if errs.Total > 0 {
				t.Fatal(errs)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestTablesOfOldMacs(t *testing.T) {
	points, errs := readRTU(strings.ReplaceAll(rtuHeader+"di,1,1,,a,,,,,,\ndi,2,2,,b,,,,,,\n", "\n", "\r"))
	if errs.Total > 0 || len(points) != 2 {
		t.Errorf("%d points, %v", len(points), errs)
	}
}

func TestDecimalCommaIsRefusedBetweenCommas(t *testing.T) {
	_, errs := readRTU(rtuHeader + `ai,1,1,,a,"0,5",,,,,` + "\n")
	if want := `rtu.csv:2:11: deadband: "0,5" is not a number: expected one such as 0.5`; errs.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", errs, want)
	}
}

func TestErrorsAfterQuotedNewlines(t *testing.T) {
	_, errs := readRTU(rtuHeader + "di,1,1,,\"a\nb\nc\",,,,,,\ndi,2,x,,d,,,,,,\nai,2,y,,\"a\n汉\",z,,,,,\n")
	want := `rtu.csv:5:6: ioa: "x" is not a whole number: expected 1 to 16777215` + "\n" +
		`rtu.csv:6:6: ioa: "y" is not a whole number: expected 1 to 16777215` + "\n" +
		`rtu.csv:7:4: deadband: "z" is not a number: expected one such as 0.5`
	if errs.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", errs, want)
	}
}

// bigTable has n rows; every one is wrong in one field, or none.
func bigTable(n int, wrong bool) string {
	var b strings.Builder
	b.WriteString(rtuHeader)
	for i := range n {
		ioa := fmt.Sprint(i + 1)
		if wrong {
			ioa += "x"
		}
		fmt.Fprintf(&b, "ai,%d,%s,M_ME_NC_1,\"馈线 %d, 电流\",0.5%%,0.1,0,A,,\n", i, ioa, i)
	}
	return b.String()
}

func TestHundredThousandRows(t *testing.T) {
	for _, wrong := range []bool{false, true} {
		_, errs := readRTU(bigTable(100_000, wrong))
		if want := map[bool]int{true: 100_000}[wrong]; errs.Total != want || len(errs.List) != want {
			t.Errorf("%d errors, %d of them listed; want %d", errs.Total, len(errs.List), want)
		}
		for i, e := range errs.List {
			if e.Line != i+2 {
				t.Fatalf("error %d: %v", i, e)
			}
		}
	}
}

func TestErrorsAreBounded(t *testing.T) {
	errs := &Errors{}
	for i := range maxErrors + 50 {
		errs.add(Error{File: "rtu.csv", Line: i + 1, Column: 1, Problem: "wrong"})
	}
	lines := strings.Split(errs.Error(), "\n")
	if len(lines) != maxPrintedErrors+1 || lines[maxPrintedErrors] != "and 99950 more errors (100050 in all)" {
		t.Errorf("%d lines, the last: %s", len(lines), lines[len(lines)-1])
	}
	if len(errs.List) != maxErrors || errs.Total != maxErrors+50 {
		t.Errorf("%d listed, %d in all", len(errs.List), errs.Total)
	}
}

func FuzzTable(f *testing.F) {
	f.Add([]byte(bigTable(3, false)))
	f.Add([]byte("sep=;\nkind;point\n\"a\n"))
	f.Add([]byte("\xff\xfea\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, p := range first(readRTU(string(data))) {
			if p.Kind.IsControl() == (p.Category == CategoryNone) {
				t.Errorf("%+v", p)
			}
		}
	})
}

func first[A, B any](a A, _ B) A { return a }

func BenchmarkTable(b *testing.B) {
	data := bigTable(100_000, false)
	b.ReportAllocs()
	for b.Loop() {
		if points, errs := readRTU(data); errs.Total > 0 || len(points) != 100_000 {
			b.Fatal(errs)
		}
	}
}
