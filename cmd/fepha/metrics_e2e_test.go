package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/fepha/fepha/cmd/internal/rig"
)

// A running station exposes what docs/METRICS.md has, and nothing else. A test of package node holds the page to the program,
// this one what a scrape gets to both.
func TestMetricsOfAStation(t *testing.T) {
	page, err := os.ReadFile("../../docs/METRICS.md")
	if err != nil {
		t.Fatal(err)
	}
	s, _ := newStation(t, rig.Options{FNP: true, Exports: fmt.Sprintf("  - {name: soe, kind: file, dir: %q, free_mb: 16}\n", t.TempDir())})
	told := map[string]string{} // by name: type and labels
	family := regexp.MustCompile(`(?m)^# TYPE (fepha_\w+) (\w+)\n(?:fepha_\w+(?:\{(.*)\})? )?`)
	label := regexp.MustCompile(`(\w+)="`)
	documented := regexp.MustCompile("(?m)^\\| `(fepha_\\w+)` \\| (\\w+) \\| ([^|]+) \\| [^|]+ \\| (absent)?")
	var missing []string
	defer func() { t.Logf("not exposed: %s", missing) }()
	until(t, "all metrics of docs/METRICS.md", func() bool {
		for _, n := range s.Nodes() {
			for _, m := range family.FindAllStringSubmatch(metrics(t, s, n.ID), -1) {
				var labels []string
				for _, l := range label.FindAllStringSubmatch(m[3], -1) {
					if l[1] != "le" {
						labels = append(labels, l[1])
					}
				}
				told[m[1]] = m[2] + " " + strings.Join(labels, " ")
			}
		}
		missing = nil
		for _, m := range documented.FindAllStringSubmatch(string(page), -1) {
			if told[m[1]] == "" && m[4] == "" {
				missing = append(missing, m[1])
			}
		}
		return len(missing) == 0
	})
	for name, is := range told {
		m := regexp.MustCompile("(?m)^\\| `" + name + "` \\| (\\w+) \\| ([^|]+) \\|").FindStringSubmatch(string(page))
		if m == nil {
			t.Errorf("%s is not in docs/METRICS.md", name)
			continue
		}
		kind, labels, _ := strings.Cut(is, " ")
		if kind != m[1] {
			t.Errorf("%s is a %s, and a %s in docs/METRICS.md", name, kind, m[1])
		}
		for _, l := range strings.Fields(labels) {
			if !strings.Contains(m[2], "`"+l+"`") {
				t.Errorf("%s has a label %s, and in docs/METRICS.md %s", name, l, m[2])
			}
		}
	}
}
