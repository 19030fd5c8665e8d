package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/fepha/fepha/api"
)

// reply writes v as JSON, with instants as people read them.
func (s *Server) reply(w http.ResponseWriter, v any) error {
	data, err := s.encode(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(data, '\n')) // a client that is gone needs no answer
	return nil
}

// instants finds the fields that hold an instant: their names end in _ms, and their numbers are of this century. A string
// has no such part, since its quotes would have a backslash before them.
var instants = regexp.MustCompile(`([{,])"(\w+)_ms":(\d{12,14})\b`)

// encode makes JSON of v. Beside each instant, such as "since_ms", stands the same as RFC 3339 in the station's zone,
// "since".
func (s *Server) encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return instants.ReplaceAllFunc(bytes.TrimSpace(b.Bytes()), func(found []byte) []byte {
		part := instants.FindSubmatch(found)
		ms, err := strconv.ParseInt(string(part[3]), 10, 64)
		if err != nil {
			return found
		}
		at := time.UnixMilli(ms).In(s.cfg.Zone).Format("2006-01-02T15:04:05.000Z07:00")
		return fmt.Appendf(nil, `%s"%s":"%s","%[2]s_ms":%[4]s`, part[1], part[2], at, part[3])
	}), nil
}

// decode reads a JSON object into v, exactly: no unknown field, nothing after
// it. No body leaves v as it is.
func decode(r *http.Request, v any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	switch err := dec.Decode(v); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return bodyError(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return invalid("body: expected one JSON object and nothing after it")
	}
	return nil
}

func bodyError(err error) error {
	if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &api.Error{Status: http.StatusRequestEntityTooLarge, Code: api.CodeInvalid, Message: fmt.Sprintf("body: expected at most %d octets", e.Limit)}
	}
	return invalid("body: %v", err)
}

// queryNumber reads a number of the query; 0 as most is no bound.
func queryNumber(r *http.Request, name string, otherwise, most uint64) (uint64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, invalid("%s=%q: expected a number", name, text)
	}
	if most > 0 && n > most {
		return 0, invalid("%s=%d: expected at most %d", name, n, most)
	}
	return n, nil
}

// pathNumber reads a number of the path.
func pathNumber(r *http.Request, name, what string) (uint32, error) {
	n, err := strconv.ParseUint(r.PathValue(name), 10, 32)
	if err != nil {
		return 0, invalid("%s %q: expected a number", what, r.PathValue(name))
	}
	return uint32(n), nil
}

// pageOf reads which page is asked for, ?after=N&limit=N, and nothing else; 0 as
// last is no bound of after.
func pageOf(r *http.Request, last uint64) (after, limit uint64, err error) {
	if err = checkQuery(r, "after", "limit"); err != nil {
		return 0, 0, err
	}
	if limit, err = queryNumber(r, "limit", defaultPage, maxPage); err != nil {
		return 0, 0, err
	}
	after, err = queryNumber(r, "after", 0, last)
	return after, limit, err
}

// checkQuery refuses what a request can't be asked: a misspelt filter would
// otherwise be no filter.
func checkQuery(r *http.Request, known ...string) error {
	for name := range r.URL.Query() {
		if !slices.Contains(known, name) {
			return invalid("%s: unknown, expected one of %q", name, known)
		}
	}
	return nil
}
