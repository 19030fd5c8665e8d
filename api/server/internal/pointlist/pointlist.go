// Package pointlist compares two lists of points: what an uplink's table has, and what the control centre says that it has.
package pointlist

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"

	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/internal/panics"
)

// Bounds of a list.
const (
	maxRows     = 200_000
	maxUnzipped = 64 << 20 // octets of a workbook, which is a ZIP file
)

// Row is a point of a list.
type Row struct {
	Line          int    // from 1; 0: of no file
	CommonAddress uint16 // 0: the list does not say
	IOA           uint32 // information object address
	Name          string
	Type          uint8 // TypeID; 0: the list does not say
	Key           string
}

// columns are the names that a header may have, in lower case; the first is told in errors.
var columns = [][]string{
	{"ioa", "address", "information object address", "信息体地址", "信息对象地址", "地址", "点号"},
	{"name", "description", "名称", "描述", "点名"},
	{"type", "typeid", "类型", "类型标识"},
	{"common_address", "ca", "common address", "asdu address", "公共地址", "站地址", "站址"},
}

// Read reads a list: a workbook (.xlsx), of which the first sheet counts, or a CSV file with a header. Columns are known by
// their names, in English or Chinese; ioa must be there, name, type and common_address may be.
func Read(content []byte) ([]Row, error) {
	if bytes.HasPrefix(content, []byte("PK\x03\x04")) {
		return readWorkbook(content)
	}
	if !utf8.Valid(content) {
		return nil, errors.New("the list is neither a workbook (.xlsx) nor text in UTF-8: save it as one of both")
	}
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(content, []byte("\ufeff"))))
	r.FieldsPerRecord = -1
	if first, _, _ := bytes.Cut(content, []byte("\n")); bytes.Count(first, []byte(";")) > bytes.Count(first, []byte(",")) {
		r.Comma = ';'
	}
	return collect(func() ([]string, int, error) {
		fields, err := r.Read()
		if err != nil {
			return nil, 0, err
		}
		line, _ := r.FieldPos(0)
		return fields, line, nil
	})
}

func readWorkbook(content []byte) (rows []Row, err error) {
	defer panics.Err(slog.Default(), "list of points", &err) // the library has panicked on damaged ones
	book, err := excelize.OpenReader(bytes.NewReader(content), excelize.Options{UnzipSizeLimit: maxUnzipped})
	if err != nil {
		return nil, fmt.Errorf("the workbook can't be read: %w", err)
	}
	defer book.Close()
	sheet, err := book.Rows(book.GetSheetName(0))
	if err != nil {
		return nil, fmt.Errorf("the workbook's first sheet can't be read: %w", err)
	}
	defer sheet.Close()
	line := 0
	return collect(func() ([]string, int, error) {
		if !sheet.Next() {
			return nil, line, cmp.Or(sheet.Error(), io.EOF)
		}
		line++
		fields, err := sheet.Columns(excelize.Options{RawCellValue: true})
		return fields, line, err
	})
}

// collect makes rows of what next gives, the header first. It tells of all mistakes, up to ten.
func collect(next func() ([]string, int, error)) (rows []Row, err error) {
	header, _, err := next()
	if err != nil {
		return nil, fmt.Errorf("the list has no header: expected columns ioa, name and type: %w", err)
	}
	place := make([]int, len(columns))
	for i, names := range columns {
		place[i] = slices.IndexFunc(header, func(h string) bool {
			return slices.Contains(names, strings.ToLower(strings.TrimSpace(h)))
		})
	}
	if place[0] < 0 {
		return nil, fmt.Errorf("the list has the columns %.200q: expected one that is called ioa (or %s)", header, strings.Join(columns[0][1:], ", "))
	}
	var wrong []error
	seen := map[object]int{}
	for {
		fields, line, err := next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("the list can't be read on: %w", err)
		}
		field := func(i int) string {
			if p := place[i]; p >= 0 && p < len(fields) {
				return strings.TrimSpace(fields[p])
			}
			return ""
		}
		if field(0) == "" {
			continue
		}
		row, err := readRow(field)
		row.Line = line
		switch before := seen[row.object()]; {
		case err != nil:
			wrong = append(wrong, fmt.Errorf("line %d: %w", line, err))
		case before != 0:
			wrong = append(wrong, fmt.Errorf("line %d: ioa %d is in line %d already", line, row.IOA, before))
		default:
			seen[row.object()] = line
			rows = append(rows, row)
		}
		if len(rows) > maxRows || len(wrong) >= 10 {
			wrong = append(wrong, fmt.Errorf("line %d: what follows was not looked at; a list has at most %d rows", line, maxRows))
			break
		}
	}
	return rows, errors.Join(wrong...)
}

func readRow(field func(int) string) (row Row, err error) {
	text := field(0)
	ioa, err := strconv.ParseUint(text, 0, 24) // 0x4001 as well
	if err != nil {
		return row, fmt.Errorf("ioa %.40q: expected a number from 0 to 16777215", text)
	}
	row.IOA, row.Name = uint32(ioa), field(1)
	if text = field(2); text != "" {
		if row.Type = typeOf(text); row.Type == 0 {
			return row, fmt.Errorf("type %.40q: expected a TypeID, such as 30 or M_SP_TB_1", text)
		}
	}
	if text = field(3); text != "" {
		ca, err := strconv.ParseUint(text, 0, 16)
		if err != nil || ca == 0 || ca == uint64(asdu.BroadcastAddress) {
			return row, fmt.Errorf("common_address %.40q: expected a number from 1 to 65534", text)
		}
		row.CommonAddress = uint16(ca)
	}
	return row, nil
}

// typeOf reads a TypeID by number or name; 0: it is none.
func typeOf(text string) uint8 {
	for t := asdu.TypeID(1); t < 128; t++ {
		if t.Known() && (text == strconv.Itoa(int(t)) || strings.EqualFold(text, t.String())) {
			return uint8(t)
		}
	}
	return 0
}

// Difference is a point that one list has otherwise than the other; nil: it doesn't have it.
type Difference struct {
	CommonAddress uint16
	IOA           uint32
	Here, There   *Row
	Name, TypeID  bool // which of them differs
}

// object is where a point is.
type object struct {
	commonAddress uint16
	ioa           uint32
}

func (r *Row) object() object { return object{r.CommonAddress, r.IOA} }

// Compare returns what differs, by common address and IOA. Where the control centre's list says no name or no type, that is no difference; with and
// without a time tag a type is the same.
func Compare(here, there []Row) (differences []Difference, same int) {
	theirs := make(map[object]*Row, len(there))
	for i := range there {
		theirs[there[i].object()] = &there[i]
	}
	for i := range here {
		h := &here[i]
		t := theirs[h.object()]
		delete(theirs, h.object())
		d := Difference{CommonAddress: h.CommonAddress, IOA: h.IOA, Here: h, There: t}
		if t != nil {
			d.Name = t.Name != "" && t.Name != h.Name
			d.TypeID = t.Type != 0 && asdu.TypeID(t.Type).Untimed() != asdu.TypeID(h.Type).Untimed()
			if !d.Name && !d.TypeID {
				same++
				continue
			}
		}
		differences = append(differences, d)
	}
	for _, t := range theirs {
		differences = append(differences, Difference{CommonAddress: t.CommonAddress, IOA: t.IOA, There: t})
	}
	slices.SortFunc(differences, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.CommonAddress, b.CommonAddress), cmp.Compare(a.IOA, b.IOA))
	})
	return differences, same
}
