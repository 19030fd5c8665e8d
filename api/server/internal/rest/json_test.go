package rest

import (
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
