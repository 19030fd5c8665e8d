package postgres_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/fepha/fepha/export"
	"github.com/fepha/fepha/export/exporttest"
)

// The questions of docs/EXPORTS.md, and of the dashboard, are ones that the tables answer.
func TestQueries(t *testing.T) {
	s := start(t)
	x := exporttest.New(t, true, true)
	x.Run("fep1", export.Export{Driver: good(s)})
	x.Assign(t, exporttest.Resource, "fep1")
	x.Happen(10)
	x.Exported()
	page, err := os.ReadFile("../../docs/EXPORTS.md")
	if err != nil {
		t.Fatal(err)
	}
	queries := regexp.MustCompile("(?s)```sql\n(.*?);\n```").FindAllStringSubmatch(string(page), -1)
	if len(queries) < 3 {
		t.Errorf("%d queries in docs/EXPORTS.md", len(queries))
	}
	for _, q := range queries {
		explain(s, q[1])
	}
	board, err := os.ReadFile("../../configs/monitoring/grafana-postgres.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			Title   string
			Targets []struct{ RawSQL string }
		}
		Templating struct {
			List []struct{ Type, Query string }
		}
	}
	if err := json.Unmarshal(board, &d); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			all = append(all, target.RawSQL)
		}
	}
	for _, v := range d.Templating.List {
		if v.Type == "query" {
			all = append(all, v.Query)
		}
	}
	if len(all) < 7 {
		t.Errorf("%d queries in the dashboard", len(all))
	}
	// Grafana's macros, as it would write them.
	macros := strings.NewReplacer("$__timeFilter(time)", "time > now() - interval '1 hour'", "$__timeGroupAlias(time, '1m')", "date_trunc('minute', time) AS \"time\"",
		"$station", "21", "$point", "1/7")
	for _, q := range all {
		explain(s, macros.Replace(q))
	}
}

// explain fails the test if a query is none.
func explain(s *exporttest.Postgres, query string) { exporttest.Ask[string](s, "EXPLAIN "+query) }
