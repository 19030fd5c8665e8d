package logtail

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// What is kept is the end of what was written, whole lines, never more than the bound and never less than half of it.
func TestTail(t *testing.T) {
	tail := &Tail{Limit: 1000}
	var all bytes.Buffer
	for i := range 500 {
		line := fmt.Sprintf("line %d\n", i)
		all.WriteString(line)
		if n, err := tail.Write([]byte(line)); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
		kept := string(tail.Lines())
		if !strings.HasSuffix(all.String(), kept) || !strings.HasPrefix(kept, "line ") || len(kept) > 1000 || len(kept) < min(all.Len(), 490) {
			t.Fatalf("after %d lines: %d octets, %q", i, len(kept), kept)
		}
	}
	if n, err := tail.Write(bytes.Repeat([]byte("x"), 5000)); n != 5000 || err != nil {
		t.Error(n, err)
	}
	if kept := tail.Lines(); len(kept) > 1000 || kept[len(kept)-1] != '\n' {
		t.Errorf("of a long line %d octets are kept, the last %q", len(kept), kept[len(kept)-1])
	}
}
