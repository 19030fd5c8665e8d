package configs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Bounds on errors: a table of the wrong kind has one in every field.
const (
	maxErrors        = 100_000 // kept; more are only counted
	maxPrintedErrors = 100
)

// Error is one thing that's wrong with a configuration, or, as a warning, that is allowed and likely not what is meant.
type Error struct {
	File     string // the path as given to Load, or joined with its folder
	Line     int    // from 1; 0: the file as a whole
	Column   int    // from 1, in characters
	Key      string // such as rtus[0].iec104.k; in a table, the column's name
	Problem  string // such as "0 is out of range"
	Expected string // such as "1 to 32767"
}

// Error prints as file:line:column: key: problem: expected what.
func (e Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	if e.Key != "" {
		b.WriteString(": " + e.Key)
	}
	b.WriteString(": " + e.Problem)
	if e.Expected != "" {
		b.WriteString(": expected " + e.Expected)
	}
	return b.String()
}

// Errors is everything that's wrong with a configuration, in the order of the files and within a file from top to bottom.
type Errors struct {
	List  []Error // at most 100,000
	Total int     // all that were found
	what  string  // the noun for more than one; "errors" by default
}

// Error prints the first 100, one a line, and how many more there are.
func (e *Errors) Error() string {
	var b strings.Builder
	for i := range min(len(e.List), maxPrintedErrors) {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(e.List[i].Error())
	}
	if more := e.Total - maxPrintedErrors; more > 0 {
		fmt.Fprintf(&b, "\nand %d more %s (%d in all)", more, cmp.Or(e.what, "errors"), e.Total)
	}
	return b.String()
}

func (e *Errors) add(err Error) {
	e.Total++
	if len(e.List) < maxErrors {
		e.List = append(e.List, err)
	}
}

// sort puts the errors in the order of files, lines and columns.
func (e *Errors) sort(files []string) {
	order := make(map[string]int, len(files))
	for i, f := range files {
		order[f] = i
	}
	slices.SortStableFunc(e.List, func(a, b Error) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
