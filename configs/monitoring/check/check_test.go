package check

import (
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

// always are labels that Prometheus or the example's job gives to every metric.
var always = []string{"job", "instance", "station"}

// notOurs are the metrics that don't come from fepha's own definitions.
var notOurs = []string{"up", "process_resident_memory_bytes", "process_open_fds", "process_max_fds"}

// metrics are the labels of each metric of docs/METRICS.md.
func metrics(t *testing.T) map[string][]string {
	t.Helper()
	page, err := os.ReadFile("../../../docs/METRICS.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string][]string{}
	for _, name := range notOurs {
		known[name] = always
	}
	row := regexp.MustCompile("(?m)^\\| `(fepha_[a-z_]+)` \\| (\\w+) \\| ([^|]+) \\|")
	for _, m := range row.FindAllStringSubmatch(string(page), -1) {
		own := slices.Clone(always)
		for label := range strings.SplitSeq(strings.Trim(m[3], "` "), "`, `") {
			own = append(own, label)
		}
		if m[2] == "histogram" {
			known[m[1]+"_bucket"], known[m[1]+"_sum"], known[m[1]+"_count"] = append(own, "le"), own, own
			continue
		}
		known[m[1]] = own
	}
	if len(known) < 100 {
		t.Fatalf("%d metrics in docs/METRICS.md", len(known))
	}
	return known
}

// problems are what an expression names that no node exposes.
func problems(known map[string][]string, expression string) (told []string) {
	root, err := parser.NewParser(parser.Options{}).ParseExpr(expression)
	if err != nil {
		return []string{err.Error()}
	}
	parser.Inspect(root, func(n parser.Node, path []parser.Node) error {
		v, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		has, ok := known[v.Name]
		if !ok {
			told = append(told, v.Name+" is no metric")
			return nil
		}
		var wanted []string
		for _, m := range v.LabelMatchers {
			if m.Name != labels.MetricName {
				wanted = append(wanted, m.Name)
			}
		}
		for _, around := range path {
			switch around := around.(type) {
			case *parser.AggregateExpr:
				wanted = append(wanted, around.Grouping...)
			case *parser.BinaryExpr:
				if around.VectorMatching != nil {
					wanted = append(wanted, around.VectorMatching.MatchingLabels...)
				}
			}
		}
		for _, label := range wanted {
			if !slices.Contains(has, label) {
				told = append(told, v.Name+" has no label "+label)
			}
		}
		return nil
	})
	return told
}

// What is wrong with an expression is found.
func TestProblems(t *testing.T) {
	known := metrics(t)
	for expression, want := range map[string]string{
		`max by (rtu) (fepha_rtu_online)`:                    "",
		`fepha_rtu_on_line == 0`:                             "is no metric",
		`fepha_rtu_online{number="1"}`:                       "no label number",
		`max by (uplink) (rate(fepha_rtu_epoch[5m]))`:        "no label uplink",
		`fepha_rtu_online + on (group) fepha_uplink_backlog`: "no label group",
		`rate(fepha_commit_latency_seconds[5m])`:             "is no metric",
		`sum(fepha_rtu_online`:                               "unclosed",
	} {
		if told := strings.Join(problems(known, expression), "; "); want == "" != (told == "") || !strings.Contains(told, want) {
			t.Errorf("%s: %q, want %q", expression, told, want)
		}
	}
}

func TestRules(t *testing.T) {
	known := metrics(t)
	groups, errs := rulefmt.ParseFile("../rules.yml", false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Error(err)
	}
	tests, err := os.ReadFile("../rules_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	rules := 0
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			rules++
			for _, p := range problems(known, r.Expr) {
				t.Errorf("%s: %s", r.Alert, p)
			}
			if s := r.Labels["severity"]; s != "alarm" && s != "warning" {
				t.Errorf("%s: severity %q", r.Alert, s)
			}
			for _, text := range []string{"summary", "summary_zh", "action", "action_zh"} {
				if r.Annotations[text] == "" {
					t.Errorf("%s has no %s", r.Alert, text)
				}
			}
			if !strings.Contains(string(tests), "\n        alertname: "+r.Alert+"\n") {
				t.Errorf("%s has no test in rules_test.yml", r.Alert)
			}
		}
	}
	if rules < 10 {
		t.Errorf("%d rules", rules)
	}
}

func TestDashboard(t *testing.T) {
	known := metrics(t)
	text, err := os.ReadFile("../grafana-prometheus.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title, Description string
			Targets            []struct{ Expr, LegendFormat string }
		}
		Templating struct {
			List []struct {
				Type  string
				Query any
			}
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	// Grafana's variables, as it would write them.
	variables := strings.NewReplacer("$__rate_interval", "1m", "$__range", "6h", "$station", "21")
	for _, p := range board.Panels {
		if p.Description == "" || len(p.Targets) == 0 {
			t.Errorf("%s has no description or shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			for _, problem := range problems(known, variables.Replace(target.Expr)) {
				t.Errorf("%s: %s", p.Title, problem)
			}
		}
	}
	if len(board.Panels) < 10 {
		t.Errorf("%d panels", len(board.Panels))
	}
}

// The examples' own form; what Prometheus and Alertmanager say of them is asked of their tools where they are there.
func TestExamples(t *testing.T) {
	var alerts struct {
		Route struct {
			Receiver string
			Routes   []struct{ Receiver string }
		}
		Receivers []struct{ Name string }
	}
	text, err := os.ReadFile("../alertmanager.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &alerts); err != nil {
		t.Fatal(err)
	}
	if len(alerts.Receivers) != 1 || alerts.Route.Receiver != alerts.Receivers[0].Name || len(alerts.Route.Routes) == 0 || alerts.Route.Routes[0].Receiver != alerts.Receivers[0].Name {
		t.Errorf("%+v", alerts)
	}
}

// Each rule fires when it's to, and none does for a station that is well.
func TestRulesFire(t *testing.T) {
	promtool(t, "test", "rules", "rules_test.yml")
	promtool(t, "check", "config", "--syntax-only", "prometheus.yml")
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("promtool"); err != nil {
		if os.Getenv("FEPHA_REQUIRE_TOOLS") != "" {
			t.Fatal("promtool is missing: apt-get install prometheus")
		}
		t.Skip("promtool is missing: apt-get install prometheus")
	}
	cmd := exec.Command("promtool", args...)
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
