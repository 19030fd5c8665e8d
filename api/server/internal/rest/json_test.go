package rest

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Beside each instant stands what a person reads, and nothing else is touched.
func TestInstantsAreReadable(t *testing.T) {
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	got, err := JSON{Zone: shanghai}.Encode(map[string]any{"at_ms": int64(1700000000123), "took_ms": 1500, "text": `{"at_ms":1700000000123}`, "list": []any{map[string]any{"x_ms": int64(1700000000000)}}})
	want := `{"at":"2023-11-15T06:13:20.123+08:00","at_ms":1700000000123,"list":[{"x":"2023-11-15T06:13:20.000+08:00","x_ms":1700000000000}],` +
		`"text":"{\"at_ms\":1700000000123}","took_ms":1500}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
}

// What turns text around or moves a terminal's cursor is never raw in an answer, nor in an error.
func TestAnswersArePlain(t *testing.T) {
	const odd = "\u202e\u2066\u200b\x7f\u009b"
	w := httptest.NewRecorder()
	if err := (JSON{Zone: time.UTC}).Reply(w, map[string]string{"name": odd}); err != nil {
		t.Fatal(err)
	}
	WriteError(w, NotFound("no %s", odd))
	if text := w.Body.String(); strings.ContainsAny(text, odd) || strings.Count(text, `\u202e\u2066\u200b\u007f\u009b`) != 2 {
		t.Errorf("%q", text)
	}
}
