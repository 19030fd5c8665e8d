package importer

import (
	"database/sql"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
	_ "modernc.org/sqlite" // the driver

	"github.com/fepha/fepha/configs"
)

// Database reads an SQLite database, without ever writing to it, as the mapping says.
func Database(path string, mapping *Mapping, tables []configs.Table) (*Import, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSource, err) // SQLite would tell only that it can't open it
	} else if info.IsDir() {
		return nil, fmt.Errorf("%s: %w: is a directory", path, ErrSource)
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro")
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", path, ErrSource, err)
	}
	defer db.Close()
	r := reader{db: db, tables: tables, imported: &Import{}}
	for i, e := range mapping.Tables {
		if err := r.read(e); err != nil {
			return nil, fmt.Errorf("%s: %w: tables[%d] (%s): %w", path, ErrSource, i, e.File, err)
		}
	}
	return r.imported, nil
}

// reader gathers what the entries of a mapping give.
type reader struct {
	db       *sql.DB
	tables   []configs.Table
	imported *Import
	rows     int
}

func (r *reader) read(e Entry) error {
	query, names := e.query()
	rows, err := r.db.Query(query)
	if err != nil {
		return fmt.Errorf("%w%s", err, r.hint(e))
	}
	defer rows.Close()
	values := make([]any, len(names)+1)
	targets := make([]any, len(values))
	for i := range values {
		targets[i] = &values[i]
	}
	layouts, skipped := map[string]layout{}, map[string]int{}
	fields := make([]string, len(names))
	for rows.Next() {
		if r.rows++; r.rows > maxRows {
			return fmt.Errorf("more than %d rows", maxRows)
		}
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		file := text(values[0])
		table, ok := find(r.tables, file)
		if !ok {
			skipped[file]++
			continue
		}
		l, known := layouts[table.Path]
		if !known {
			if l, err = layOut(table.Format, names); err != nil {
				return err
			}
			layouts[table.Path] = l
		}
		for i := range fields {
			fields[i] = text(values[i+1])
		}
		if row, empty := l.row(fields); !empty {
			t := r.table(table)
			t.Rows = append(t.Rows, row)
		}
	}
	for _, file := range slices.Sorted(maps.Keys(skipped)) {
		r.imported.Skipped = append(r.imported.Skipped, fmt.Sprintf("%d rows for %q: no table of this name in station.yaml", skipped[file], file))
	}
	return rows.Err()
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
	list := func(query string, args ...any) string {
		rows, err := r.db.Query(query, args...)
		if err != nil {
			return ""
		}
		defer rows.Close()
		var names []string
		for rows.Next() {
			var name string
			if rows.Scan(&name) == nil {
				names = append(names, name)
			}
		}
		return strings.Join(names, ", ")
	}
	if columns := list("SELECT name FROM pragma_table_info(?)", e.From); columns != "" {
		return fmt.Sprintf(": %s has the columns %s", e.From, columns)
	}
	if tables := list("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name"); tables != "" {
		return ": the database has the tables " + tables
	}
	return ""
}

// text writes a value as a person would type it. Databases of older systems hold GBK.
func text(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case []byte:
		return text(string(v))
	case string:
		if !utf8.ValidString(v) {
			if decoded, err := simplifiedchinese.GB18030.NewDecoder().String(v); err == nil {
				v = decoded
			}
		}
		return strings.TrimSpace(v)
	case float64:
		return plain(v)
	case int64:
		return strconv.FormatInt(v, 10)
	}
	return fmt.Sprint(value)
}
