package web

import (
	"bytes"
	"compress/gzip"
	"testing"
)

// mostCompressed is what the page may weigh: all that a browser might load of it, in octets.
const mostCompressed = 250_000

func TestSize(t *testing.T) {
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, f := range files {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write(f.Content); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		total += b.Len()
	}
	if total > mostCompressed || total < 10_000 {
		t.Errorf("the page weighs %d octets compressed, expected at most %d", total, mostCompressed)
	}
}
