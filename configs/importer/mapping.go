package importer

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/fepha/fepha/internal/yamldoc"
)

// Mapping tells how the tables of a site's database become tables of a station: no two sites name theirs alike.
type Mapping struct {
	Tables []Entry `yaml:"tables"`
}

// Entry makes rows of one table, or with a {} in File of several. Entries for one table are put together.
type Entry struct {
	// File is the station's table, such as rtu1.csv. In braces stands an SQL expression: rtu{RTUNO}.csv is one table for
	// each RTUNO.
	File string `yaml:"file"`
	// From is the database's table, or a join of them.
	From string `yaml:"from"`
	// Where is an SQL condition; "": all rows.
	Where string `yaml:"where"`
	// Columns gives for each column of the station's table an SQL expression on From: PNTNO, 'di' or SCALE/1000.0.
	Columns map[string]string `yaml:"columns"`
}

// ReadMapping reads a mapping file (YAML).
func ReadMapping(path string) (*Mapping, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("mapping: %w: %w", ErrSource, err)
	}
	var m Mapping
	if err := yamldoc.Unmarshal(data, &m, yaml.DisallowUnknownField()); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w: %s", path, ErrSource, yaml.FormatError(err, false, false))
	}
	if len(m.Tables) == 0 {
		return nil, fmt.Errorf("%s: %w: tables is missing or empty: expected a list of file, from and columns", path, ErrSource)
	}
	for i, e := range m.Tables {
		for name, value := range map[string]string{"file": e.File, "from": e.From} {
			if value == "" {
				return nil, fmt.Errorf("%s: %w: tables[%d].%s is missing", path, ErrSource, i, name)
			}
		}
		if strings.Count(e.File, "{") != strings.Count(e.File, "}") {
			return nil, fmt.Errorf("%s: %w: tables[%d].file: %s has a brace without the other", path, ErrSource, i, e.File)
		}
	}
	return &m, nil
}

// columns are the SQL expressions that an entry selects, the file's name first, and the names of the columns after it.
func (e Entry) columns() (expressions, names []string) {
	names = slices.Sorted(maps.Keys(e.Columns))
	expressions = []string{e.fileExpression()}
	for _, name := range names {
		expressions = append(expressions, e.Columns[name])
	}
	return expressions, names
}

// source is what follows the FROM of the SELECT.
func (e Entry) source() string {
	if e.Where == "" {
		return e.From
	}
	return e.From + " WHERE " + e.Where
}

// literal is a text in SQL.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// fileExpression turns rtu{RTUNO}.csv into 'rtu' || (RTUNO) || '.csv'.
func (e Entry) fileExpression() string {
	rest, parts := e.File, []string{}
	for {
		before, after, found := strings.Cut(rest, "{")
		parts = append(parts, literal(before))
		if !found {
			return strings.Join(parts, " || ")
		}
		expression, tail, _ := strings.Cut(after, "}")
		parts = append(parts, "("+expression+")")
		rest = tail
	}
}
