package importer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/fepha/fepha/configs"
)

// Database reads an SQLite database, without ever writing to it, as the mapping says. It needs sqlite3, SQLite's own
// program: an import is rare and made where an engineer sits, and a database engine would be a tenth of every node.
func Database(path string, mapping *Mapping, tables []configs.Table) (*Import, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSource, err) // SQLite would tell only that it can't open it
	} else if info.IsDir() {
		return nil, fmt.Errorf("%s: %w: is a directory", path, ErrSource)
	}
	r := reader{db: database(path), tables: tables, imported: &Import{}}
	for i, e := range mapping.Tables {
		if err := r.read(e); err != nil {
			return nil, fmt.Errorf("%s: %w: tables[%d] (%s): %w", path, ErrSource, i, e.File, err)
		}
	}
	return r.imported, nil
}

// database is the path of an SQLite database.
type database string

// ASCII's separators of fields and of records: no text that a person wrote has them.
const (
	fieldEnd  = "\x1f"
	recordEnd = "\x1e"
)

// query calls each with the columns of every row of a SELECT, as a person would type them.
func (d database) query(columns []string, from string, each func([]string) error) error {
	types := make([]string, len(columns))
	named := make([]string, len(columns))
	for i, c := range columns {
		named[i] = fmt.Sprintf("(%s) AS c%d", c, i)
		types[i] = fmt.Sprintf("typeof(c%d), c%d", i, i)
	}
	text := "SELECT " + strings.Join(types, ", ") + " FROM (SELECT " + strings.Join(named, ", ") + " FROM " + from + ")"
	file := "file:" + (&url.URL{Path: string(d)}).EscapedPath() + "?mode=ro"
	cmd := exec.Command("sqlite3", "-init", os.DevNull, "-batch", "-safe", "-readonly", "-list", "-noheader",
		"-separator", fieldEnd, "-newline", recordEnd, file, text)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); errors.Is(err, exec.ErrNotFound) {
		return errors.New("an SQLite database is read with the program sqlite3, which isn't installed here: apt install sqlite3")
	} else if err != nil {
		return err
	}
	err = records(out, len(columns), each)
	out.Close() // after an error of ours: it ends the program, which has nowhere to write to
	if failed := cmd.Wait(); err == nil && failed != nil {
		first, _, _ := strings.Cut(complaint.String(), "\n")
		return fmt.Errorf("%s (%w)", strings.TrimSpace(first), failed)
	}
	return err
}

// records reads what sqlite3 prints: for each column its type and its value.
func records(out io.Reader, columns int, each func([]string) error) error {
	in := bufio.NewReader(out)
	values := make([]string, columns)
	for {
		record, err := in.ReadString(recordEnd[0])
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		fields := strings.Split(strings.TrimSuffix(record, recordEnd), fieldEnd)
		if len(fields) != 2*columns {
			return fmt.Errorf("a text of the database has a separator of ASCII (1E or 1F) in it: %q", record)
		}
		for i := range values {
			values[i] = text(fields[2*i], fields[2*i+1])
		}
		if err := each(values); err != nil {
			return err
		}
	}
}

// reader gathers what the entries of a mapping give.
type reader struct {
	db       database
	tables   []configs.Table
	imported *Import
	rows     int
}

func (r *reader) read(e Entry) error {
	expressions, names := e.columns()
	layouts, skipped := map[string]layout{}, map[string]int{}
	err := r.db.query(expressions, e.source(), func(values []string) error {
		if r.rows++; r.rows > maxRows {
			return fmt.Errorf("more than %d rows", maxRows)
		}
		file := values[0]
		table, ok := find(r.tables, file)
		if !ok {
			skipped[file]++
			return nil
		}
		l, known := layouts[table.Path]
		if !known {
			var err error
			if l, _, err = layOut(table.Format, names); err != nil {
				return err
			}
			layouts[table.Path] = l
		}
		if row, empty := l.row(values[1:]); !empty {
			t := r.table(table)
			t.Rows = append(t.Rows, row)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w%s", err, r.hint(e))
	}
	for _, file := range slices.Sorted(maps.Keys(skipped)) {
		r.imported.Skipped = append(r.imported.Skipped, fmt.Sprintf("%d rows for %q: no table of this name in station.yaml", skipped[file], file))
	}
	return nil
}

// table finds or begins what is imported into a table.
func (r *reader) table(table configs.Table) *Table {
	for i := range r.imported.Tables {
		if t := &r.imported.Tables[i]; t.Path == table.Path {
			return t
		}
	}
	r.imported.Tables = append(r.imported.Tables, Table{Table: table})
	return &r.imported.Tables[len(r.imported.Tables)-1]
}

// hint tells what the database has, after SQLite told what it hasn't.
func (r *reader) hint(e Entry) string {
	list := func(from string) string {
		var names []string
		if r.db.query([]string{"name"}, from, func(values []string) error {
			names = append(names, values[0])
			return nil
		}) != nil {
			return ""
		}
		return strings.Join(names, ", ")
	}
	if columns := list("pragma_table_info(" + literal(e.From) + ")"); columns != "" {
		return fmt.Sprintf(": %s has the columns %s", e.From, columns)
	}
	if tables := list("sqlite_master WHERE type IN ('table', 'view') ORDER BY name"); tables != "" {
		return ": the database has the tables " + tables
	}
	return ""
}

// text writes a value as a person would type it: a whole number without its .0. Databases of older systems hold GBK.
func text(kind, value string) string {
	if kind == "real" {
		if f, err := strconv.ParseFloat(value, 64); err == nil {
			return plain(f)
		}
	}
	if !utf8.ValidString(value) {
		if decoded, err := simplifiedchinese.GB18030.NewDecoder().String(value); err == nil {
			value = decoded
		}
	}
	return strings.TrimSpace(value)
}
