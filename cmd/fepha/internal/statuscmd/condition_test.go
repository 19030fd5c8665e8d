package statuscmd

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/condition"
)

func TestJudge(t *testing.T) {
	alarm := api.Condition{ID: "rtu.1.offline", Severity: "alarm", Text: "device is on no channel"}
	warning := api.Condition{ID: "node.fep1.disk", Severity: "warning", Text: "1 GB"}
	for _, c := range []struct {
		name string
		list api.Conditions
		code int
		line string
	}{
		{"well", api.Conditions{Quorum: true, Known: true}, 0, "OK: nothing is wrong"},
		{"just started", api.Conditions{Quorum: true}, 3, "UNKNOWN: it isn't known yet"},
		{"no quorum", api.Conditions{Node: "fep1"}, 2, "ALARM: fep1 has no quorum"},
		{"no quorum, and a warning", api.Conditions{Node: "fep1", Conditions: []api.Condition{warning}}, 2, "ALARM: fep1 has no quorum"},
		{"warning", api.Conditions{Quorum: true, Known: true, Conditions: []api.Condition{warning}}, 1, "WARNING: 0 alarms, 1 warning: node.fep1.disk: 1 GB"},
		{"warning, just started", api.Conditions{Quorum: true, Conditions: []api.Condition{warning}}, 1, "WARNING: 0 alarms, 1 warning"},
		{"alarms", api.Conditions{Quorum: true, Known: true, Conditions: []api.Condition{alarm, alarm, warning}}, 2, "ALARM: 2 alarms, 1 warning: rtu.1.offline: device is on no channel"},
	} {
		t.Setenv("LC_ALL", "C")
		if code, line := judge(c.list); code != c.code || !strings.HasPrefix(line, c.line) {
			t.Errorf("%s: %d %q, want %d %q", c.name, code, line, c.code, c.line)
		}
	}
}

// The tool tells of every condition in the API's own words, in either language, and what to do.
func TestEveryConditionIsPrinted(t *testing.T) {
	for _, lang := range []string{"C", "zh_CN.UTF-8"} {
		t.Setenv("LC_ALL", lang)
		for _, k := range condition.Kinds() {
			c := api.Condition{
				ID: "x." + k.Name, Severity: k.Severity.String(), SinceMs: 1, Text: "text of " + k.Text.EN, TextZH: "text of " + k.Text.ZH, Advice: k.Advice.EN, AdviceZH: k.Advice.ZH,
			}
			var b strings.Builder
			if err := printConditions(&b, []api.Condition{c}, true, true, 9); err != nil {
				t.Fatal(err)
			}
			text, advice := c.Text, c.Advice
			if lang != "C" {
				text, advice = c.TextZH, c.AdviceZH
			}
			for _, part := range []string{strings.ToUpper(c.Severity), c.ID, text, advice} {
				if !strings.Contains(b.String(), part) {
					t.Errorf("%s: %q lacks %q", k.Name, b.String(), part)
				}
			}
		}
	}
}

// A check that can't be made is one line too, and its code is 3, whatever is wrong.
func TestCheckOfNothing(t *testing.T) {
	for name, connect := range map[string]func() (*client.Client, error){
		"bad address": func() (*client.Client, error) { return nil, errors.New("--addr:\nexpected a URL") },
		"nobody":      func() (*client.Client, error) { return &client.Client{Base: "http://127.0.0.1:1"}, nil },
	} {
		var out bytes.Buffer
		err := checkStation(context.Background(), &out, connect)
		if cli.ExitCode(err) != checkUnknown || !errors.Is(err, cli.ErrTold) || !strings.HasPrefix(out.String(), "UNKNOWN: ") || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("%s: %v %q", name, err, out.String())
		}
	}
}

func TestLanguage(t *testing.T) {
	for _, c := range []struct {
		all, messages, lang string
		chinese             bool
	}{{"", "", "zh_CN.UTF-8", true}, {"C", "", "zh_CN.UTF-8", false}, {"", "zh_CN", "C", true}, {"", "", "", false}, {"zh_TW", "C", "C", true}} {
		t.Setenv("LC_ALL", c.all)
		t.Setenv("LC_MESSAGES", c.messages)
		t.Setenv("LANG", c.lang)
		if got := inChinese(); got != c.chinese {
			t.Errorf("%+v: %t", c, got)
		}
	}
}
