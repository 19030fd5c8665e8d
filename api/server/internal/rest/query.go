package rest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// How many rows a list has, unless a request asks for others, and at most.
const (
	DefaultPage = 1000
	MaxPage     = 10000
)

// QueryNumber reads a number of the query; 0 as most is no bound.
func QueryNumber(r *http.Request, name string, otherwise, most uint64) (uint64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, Invalid("%s=%q: expected a number", name, text)
	}
	if most > 0 && n > most {
		return 0, Invalid("%s=%d: expected at most %d", name, n, most)
	}
	return n, nil
}

// PathNumber reads a number of the path.
func PathNumber(r *http.Request, name, what string) (uint32, error) {
	n, err := strconv.ParseUint(r.PathValue(name), 10, 32)
	if err != nil {
		return 0, Invalid("%s %q: expected a number", what, r.PathValue(name))
	}
	return uint32(n), nil
}

// PageOf reads which page is asked for, ?after=N&limit=N, and nothing else; 0 as
// last is no bound of after.
func PageOf(r *http.Request, last uint64) (after, limit uint64, err error) {
	if err = CheckQuery(r, "after", "limit"); err != nil {
		return 0, 0, err
	}
	if limit, err = QueryNumber(r, "limit", DefaultPage, MaxPage); err != nil {
		return 0, 0, err
	}
	after, err = QueryNumber(r, "after", 0, last)
	return after, limit, err
}

// CheckQuery refuses what a request can't be asked: a misspelt filter would
// otherwise be no filter.
func CheckQuery(r *http.Request, known ...string) error {
	for name := range r.URL.Query() {
		if !slices.Contains(known, name) {
			return Invalid("%s: unknown, expected one of %q", name, known)
		}
	}
	return nil
}

// Clip keeps the first octets of a text, and of no character a part.
func Clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "")
}
