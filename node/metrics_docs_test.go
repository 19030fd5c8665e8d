package node

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/fepha/fepha/internal/metric"
)

// docs/METRICS.md has a row for every metric of the program, and for nothing else; name, type, labels and meaning are the
// program's, and what only people can say isn't left out.
func TestMetricsPage(t *testing.T) {
	page, err := os.ReadFile("../docs/METRICS.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `(fepha_[a-z_]+)` \\| (\\w+) \\| ([^|]+) \\| ([^|]+) \\| ([^|]+) \\| ([^|]+) \\|$")
	said := map[string][]string{}
	for _, m := range row.FindAllStringSubmatch(string(page), -1) {
		if said[m[1]] != nil {
			t.Errorf("%s is there twice", m[1])
		}
		said[m[1]] = m[2:]
	}
	if lines := strings.Count(string(page), "\n| `fepha_"); lines != len(said) {
		t.Errorf("%d rows, of which %d are as expected: six columns", lines, len(said))
	}
	for _, m := range metric.All() {
		labels := "–"
		if len(m.Labels) > 0 {
			labels = "`" + strings.Join(m.Labels, "`, `") + "`"
		}
		is, want := said[m.Name], []string{m.Type, labels, m.Help}
		if is == nil {
			t.Errorf("%s is not in docs/METRICS.md: %q", m.Name, want)
			continue
		}
		for i, w := range want {
			if is[i] != w {
				t.Errorf("%s: the page says %q, the program %q", m.Name, is[i], w)
			}
		}
		delete(said, m.Name)
	}
	for name := range said {
		t.Errorf("%s is no metric of the program", name)
	}
}
