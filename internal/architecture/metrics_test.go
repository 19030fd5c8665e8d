package architecture

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Metrics are defined in internal/metric alone: what isn't would be missing in docs/METRICS.md unnoticed.
func TestMetricsAreDefinedOnce(t *testing.T) {
	made := regexp.MustCompile(`prometheus\.(NewDesc|MustNewConst\w+|NewConst\w+|NewCounter\w*|NewGauge\w*|NewHistogram\w*|NewUntyped\w*)\(`)
	for _, p := range packages(t) {
		if p.name() == "internal/metric" {
			continue
		}
		for _, file := range p.GoFiles {
			name := filepath.Join("../..", p.name(), file)
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if call := made.FindString(string(text)); call != "" {
				t.Errorf("%s makes a metric of its own with %s", strings.TrimPrefix(name, "../../"), call)
			}
		}
	}
}
