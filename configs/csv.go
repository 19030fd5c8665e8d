package configs

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/fepha/fepha/internal/plain"
)

// maxTableSize bounds a table: a million points take 60 MB.
const maxTableSize = 256 << 20

// column is a column that a table has.
type column struct {
	name     string
	optional bool
}

// table reads one CSV file as spreadsheets export it: UTF-8, UTF-16 or GB18030; comma, semicolon or tab; any line ends;
// quoted newlines; columns in any order.
type table struct {
	file    string
	columns []column

	errs, warnings *Errors

	text  []byte
	comma rune
	place []int // of each column: its place in a record; -1 where the file doesn't have it
	lines lineIndex
}

// read checks the header and calls row for every row that isn't empty. The row is valid until row returns. Without a
// right header no row is read, and it gives false.
func (t *table) read(data []byte, row func(*row)) bool {
	text, err := decodeText(data)
	if err != nil {
		t.errs.add(Error{File: t.file, Problem: err.Error(), Expected: "a CSV file in UTF-8 or GB18030"})
		return false
	}
	t.text = text
	t.lines = lineIndex{text: text}
	t.comma = separatorOf(text)
	reader := csv.NewReader(bytes.NewReader(text))
	reader.Comma = t.comma
	reader.FieldsPerRecord = -1
	reader.ReuseRecord = true
	r := &rowReader{table: t, reader: reader}
	header, ok := r.next()
	if ok && strings.HasPrefix(strings.ToLower(header.fields[0]), "sep=") { // Excel's own hint
		header, ok = r.next()
	}
	if !ok {
		t.errs.add(Error{File: t.file, Problem: "is empty", Expected: "a header with the columns " + t.names()})
		return false
	}
	if !t.header(header) {
		return false
	}
	width := len(header.fields)
	for {
		next, ok := r.next()
		if !ok {
			return true
		}
		if next.check(width) {
			row(next)
		}
	}
}

// names lists the columns for messages.
func (t *table) names() string {
	var list []string
	for _, c := range t.columns {
		if c.optional {
			list = append(list, c.name+" (optional)")
		} else {
			list = append(list, c.name)
		}
	}
	return strings.Join(list, ", ")
}

// heading is the name of the column at a place, "" if there is none.
func (t *table) heading(place int) string {
	if c := slices.Index(t.place, place); c >= 0 {
		return t.columns[c].name
	}
	return ""
}

func (t *table) header(r *row) bool {
	before := t.errs.Total
	t.place = slices.Repeat([]int{-1}, len(t.columns))
	for i, name := range r.fields {
		name = Heading(name)
		c := slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
		switch {
		case c < 0 && name == "" && !slices.ContainsFunc(r.fields[i:], func(f string) bool { return strings.TrimSpace(f) != "" }):
			// Spreadsheets export columns that were used once.
		case c < 0:
			r.failAt(i, "", "unknown column "+quote(r.fields[i]), "one of "+t.names())
		case t.place[c] >= 0:
			r.failAt(i, name, "is given twice", "each column once")
		default:
			t.place[c] = i
		}
	}
	var missing []string
	for c, place := range t.place {
		if place < 0 && !t.columns[c].optional {
			missing = append(missing, t.columns[c].name)
		}
	}
	if missing != nil {
		r.failAt(0, "", "has no column "+strings.Join(missing, ", "), "the columns "+t.names())
	}
	return t.errs.Total == before
}

// rowReader goes from record to record over those that aren't CSV.
type rowReader struct {
	table  *table
	reader *csv.Reader
	row    row
}

// next gives the next record, valid until the one after it.
func (r *rowReader) next() (*row, bool) {
	for {
		fields, err := r.reader.Read()
		if err == nil {
			r.row = row{table: r.table, reader: r.reader, fields: fields}
			return &r.row, true
		}
		if errors.Is(err, io.EOF) {
			return nil, false
		}
		e := Error{File: r.table.file, Problem: err.Error()}
		var parse *csv.ParseError
		if errors.As(err, &parse) {
			e.Line, e.Column, e.Problem = parse.Line, r.table.lines.column(parse.Line, parse.Column), parse.Err.Error()
			switch parse.Err {
			case csv.ErrBareQuote:
				e.Problem, e.Expected = `has a " in a field that isn't quoted`, `the whole field in quotes, and "" for each quote in it`
			case csv.ErrQuote:
				e.Problem, e.Expected = `has a " that isn't closed, or text after a closing one`, `the whole field in quotes, and "" for each quote in it`
				if parse.Line != parse.StartLine { // it ran on, perhaps to the end of the file
					e.Line, e.Column = parse.StartLine, 1
				}
			}
		}
		r.table.errs.add(e)
	}
}

// row is a record of a table.
type row struct {
	table  *table
	reader *csv.Reader
	fields []string
}

// check reports what is beyond the header's columns and what nobody could read, and tells whether the row has anything in it. A row may be short:
// Excel leaves out empty fields at the end after some rows.
func (r *row) check(width int) bool {
	empty := true
	for i, f := range r.fields {
		if f != "" && strings.TrimSpace(f) != "" {
			empty = false
			if i >= width {
				r.failAt(i, "", quote(f)+" is beyond the last column", fmt.Sprintf("%d columns", width))
				return false
			}
			if plain.Deceptive(f) {
				r.failAt(i, r.table.heading(i), quote(f)+" has a control character, or one that turns text around", textExpected)
			}
		}
	}
	return !empty
}

// text gives the field of a column, "" where the file doesn't have it. It lives as long as the row.
func (r *row) text(column int) string {
	place := r.table.place[column]
	if place < 0 || place >= len(r.fields) {
		return ""
	}
	return strings.TrimSpace(r.fields[place])
}

// line is where the row begins.
func (r *row) line() int32 {
	line, _ := r.reader.FieldPos(0)
	return int32(line)
}

func (r *row) fail(column int, problem, expected string) {
	r.failAt(r.table.place[column], r.table.columns[column].name, problem, expected)
}

// warn tells of a field that is allowed, but likely isn't what is meant.
func (r *row) warn(column int, problem, expected string) {
	r.table.warnings.add(r.about(r.table.place[column], r.table.columns[column].name, problem, expected))
}

// failAt reports what's wrong with a field; of one that isn't there, at the row's beginning.
func (r *row) failAt(place int, key, problem, expected string) {
	r.table.errs.add(r.about(place, key, problem, expected))
}

func (r *row) about(place int, key, problem, expected string) Error {
	if place < 0 || place >= len(r.fields) {
		place = 0
	}
	line, column := r.reader.FieldPos(place)
	return Error{
		File: r.table.file, Line: line, Column: r.table.lines.column(line, column),
		Key: key, Problem: problem, Expected: expected,
	}
}

// uint reads a whole number. Where it isn't one within bounds, it's reported, and ok is false.
func (r *row) uint(column int, least, most uint32) (n uint32, ok bool) {
	text := r.text(column)
	v, err := strconv.ParseUint(folded(text), 10, 32)
	switch {
	case text == "":
		r.fail(column, "is missing", fmt.Sprintf("%d to %d", least, most))
	case errors.Is(err, strconv.ErrRange), err == nil && (v < uint64(least) || v > uint64(most)):
		r.fail(column, text+" is out of range", fmt.Sprintf("%d to %d", least, most))
	case err != nil:
		r.fail(column, quote(text)+" is not a whole number", fmt.Sprintf("%d to %d", least, most))
	default:
		return uint32(v), true
	}
	return 0, false
}

// float reads a number; def where the field is empty or, reported, not a finite number. A spreadsheet that separates by
// semicolons or tabs may write a decimal comma.
func (r *row) float(column int, def float64) float64 {
	text := r.text(column)
	if text == "" {
		return def
	}
	return r.parseFloat(column, text, def)
}

func (r *row) parseFloat(column int, text string, def float64) float64 {
	number := folded(text)
	if r.table.comma != ',' && strings.Count(number, ",") == 1 && !strings.Contains(number, ".") {
		number = strings.Replace(number, ",", ".", 1)
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || f-f != 0 { // NaN and infinities are numbers for Go alone
		r.fail(column, quote(text)+" is not a number", "one such as 0.5")
		return def
	}
	return f
}

// bool reads true or false, as spreadsheets and people write it; empty is false.
func (r *row) bool(column int) bool {
	if b, ok := boolWords[r.text(column)]; ok {
		return b
	}
	switch text := strings.ToLower(folded(r.text(column))); text {
	case "", "false", "no", "0":
		return false
	case "true", "yes", "1":
		return true
	default:
		r.fail(column, quote(text)+" is neither true nor false", "true, false or nothing")
		return false
	}
}

// separatorOf takes the one that splits the first line into most fields.
func separatorOf(text []byte) rune {
	line, rest, _ := bytes.Cut(text, []byte("\n"))
	if hint := strings.ToLower(strings.TrimSpace(string(line))); strings.HasPrefix(hint, "sep=") {
		line, _, _ = bytes.Cut(rest, []byte("\n"))
	}
	best, most := ',', 0
	for _, c := range []rune{',', ';', '\t'} {
		if n := bytes.Count(line, []byte(string(c))); n > most {
			best, most = c, n
		}
	}
	return best
}

func trimBOM(data []byte) []byte { return bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) }

// decodeText makes UTF-8 with "\n" or "\r\n" of what a spreadsheet wrote.
func decodeText(data []byte) ([]byte, error) {
	switch {
	case len(data) > maxTableSize:
		return nil, fmt.Errorf("has %d octets, more than %d", len(data), maxTableSize)
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}):
		data = decodeUTF16(data[2:], binary.LittleEndian)
	case bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		data = decodeUTF16(data[2:], binary.BigEndian)
	default:
		data = trimBOM(data)
		if !utf8.Valid(data) {
			decoded, err := simplifiedchinese.GB18030.NewDecoder().Bytes(data)
			if err != nil || bytes.ContainsRune(decoded, utf8.RuneError) {
				return nil, errors.New("is neither UTF-8 nor GB18030")
			}
			data = decoded
		}
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return nil, errors.New("is not a text file")
	}
	if bytes.IndexByte(data, '\n') < 0 {
		data = bytes.ReplaceAll(data, []byte{'\r'}, []byte{'\n'}) // "CSV (Macintosh)"
	}
	return data, nil
}

func decodeUTF16(data []byte, order binary.ByteOrder) []byte {
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
	}
	return []byte(string(utf16.Decode(units)))
}

// lineIndex finds lines in a text. It goes on from the last one, since errors mostly come in order.
type lineIndex struct {
	text   []byte
	line   int // from 0
	offset int // where it begins
}

// column turns a column in octets into one in characters; both count from 1.
func (x *lineIndex) column(line, column int) int {
	if line-1 < x.line {
		x.line, x.offset = 0, 0
	}
	for ; x.line < line-1; x.line++ {
		end := bytes.IndexByte(x.text[x.offset:], '\n')
		if end < 0 {
			return column
		}
		x.offset += end + 1
	}
	rest := x.text[x.offset:]
	return utf8.RuneCount(rest[:min(column-1, len(rest))]) + 1
}

// uniqueIn reports the second use in a table of what is to be unique, and in which line the first is.
func uniqueIn[T comparable](r *row, column int, lines map[T]int32, value T) {
	if first, taken := lines[value]; taken {
		r.fail(column, fmt.Sprintf("%v is already used in line %d", value, first), "a different one")
		return
	}
	lines[value] = r.line()
}
