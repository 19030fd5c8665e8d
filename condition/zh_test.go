package condition

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// docs/zh/OPERATIONS.md has a row for every kind, in the catalogue's own Chinese, and for nothing else.
func TestOperationsTableInChinese(t *testing.T) {
	page, err := os.ReadFile("../docs/zh/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	severity := map[Severity]string{Alarm: "告警", Warning: "警告"}
	for _, k := range Kinds() {
		row := fmt.Sprintf("| <a id=\"%s\"></a>`%s` | %s | %s | %s | %s |\n", k.Name, k.Name, k.Resource, severity[k.Severity], k.Text.ZH, k.Advice.ZH)
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/zh/OPERATIONS.md lacks\n%s", row)
		}
	}
	if rows := strings.Count(string(page), "\n| <a id="); rows != len(Kinds()) {
		t.Errorf("%d rows, and %d kinds", rows, len(Kinds()))
	}
}
