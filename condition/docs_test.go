package condition

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// docs/OPERATIONS.md has a row for every kind, with its anchor, and for nothing else; severity, resource and advice are the
// catalogue's, and what only people can say isn't left out.
func TestOperationsTable(t *testing.T) {
	page, err := os.ReadFile("../docs/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(page), "## Every condition")
	if !ok {
		t.Fatal("docs/OPERATIONS.md has no part \"Every condition\"")
	}
	first := regexp.MustCompile("^<a id=\"([a-z0-9_]+)\"></a>`([a-z0-9_]+)`$")
	rows := map[string]bool{}
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 6 || !strings.Contains(line, "<a id=") {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		m := first.FindStringSubmatch(cells[0])
		if m == nil || m[1] != m[2] {
			t.Errorf("%s: expected an anchor and the kind, alike", cells[0])
			continue
		}
		k, known := Find(m[1])
		if !known || rows[m[1]] {
			t.Errorf("%s: no kind of the program, or there twice", m[1])
			continue
		}
		rows[m[1]] = true
		if cells[1] != k.Resource || cells[2] != k.Severity.String() || cells[5] != k.Advice.EN {
			t.Errorf("%s: the page says %q, %q, %q; the program %q, %q, %q", k.Name, cells[1], cells[2], cells[5], k.Resource, k.Severity, k.Advice.EN)
		}
		if cells[3] == "" || cells[4] == "" {
			t.Errorf("%s: no meaning or no cause", k.Name)
		}
	}
	for _, k := range Kinds() {
		if !rows[k.Name] {
			t.Errorf("%s is not in docs/OPERATIONS.md", k.Name)
		}
	}
}
