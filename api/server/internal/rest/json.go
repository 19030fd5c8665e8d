package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/internal/plain"
)

// JSON is how answers are written.
type JSON struct {
	Zone *time.Location // the station's
}

// Reply writes v as JSON, with instants as people read them.
func (j JSON) Reply(w http.ResponseWriter, v any) error {
	data, err := j.Encode(v)
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

// Encode makes JSON of v. Beside each instant, such as "since_ms", stands the same as RFC 3339 in the station's zone,
// "since". What can't be printed is escaped, such as what turns text around: answers are looked at in terminals.
func (j JSON) Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return instants.ReplaceAllFunc(plain.JSON(bytes.TrimSpace(b.Bytes())), func(found []byte) []byte {
		part := instants.FindSubmatch(found)
		ms, err := strconv.ParseInt(string(part[3]), 10, 64)
		if err != nil {
			return found
		}
		at := time.UnixMilli(ms).In(j.Zone).Format("2006-01-02T15:04:05.000Z07:00")
		return fmt.Appendf(nil, `%s"%s":"%s","%[2]s_ms":%[4]s`, part[1], part[2], at, part[3])
	}), nil
}

// Decode reads a JSON object into v, exactly: no unknown field, nothing after
// it. No body leaves v as it is.
func Decode(r *http.Request, v any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	switch err := dec.Decode(v); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return BodyError(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Invalid("body: expected one JSON object and nothing after it")
	}
	return nil
}

// BodyError says what is wrong with a body that can't be read.
func BodyError(err error) error {
	if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &api.Error{Status: http.StatusRequestEntityTooLarge, Code: api.CodeInvalid, Message: fmt.Sprintf("body: expected at most %d octets", e.Limit)}
	}
	return Invalid("body: %v", err)
}
