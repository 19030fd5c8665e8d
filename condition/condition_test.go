package condition

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

var (
	name  = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	holes = regexp.MustCompile(`\{[^}]*\}`)
)

func TestCatalogueIsWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Kinds() {
		if !name.MatchString(k.Name) || seen[k.Name] || len(k.Name) > 64 {
			t.Errorf("%s: expected a name of its own of lower case letters, digits and _", k.Name)
		}
		seen[k.Name] = true
		if k.Severity != Warning && k.Severity != Alarm || k.Scope > Local || k.Resource == "" || len(k.Params) > 16 {
			t.Errorf("%s: severity %v, scope %d, about %q", k.Name, k.Severity, k.Scope, k.Resource)
		}
		used := map[string]int{}
		for i, text := range []string{k.Text.EN, k.Text.ZH} {
			for _, hole := range holes.FindAllString(text, -1) {
				used[hole] |= 1 << i
				if p := strings.Trim(hole, "{}"); p != "count" && !slices.Contains(k.Params, p) {
					t.Errorf("%s: %s is no parameter", k.Name, hole)
				}
			}
		}
		for hole, by := range used {
			if by != 3 {
				t.Errorf("%s: %s is in one language alone", k.Name, hole)
			}
		}
		for _, p := range k.Params {
			if used["{"+p+"}"] == 0 {
				t.Errorf("%s: no sentence uses {%s}", k.Name, p)
			}
		}
		isHan := func(r rune) bool { return unicode.Is(unicode.Han, r) }
		for _, w := range []Words{k.Text, k.Advice} {
			if w.EN == "" || strings.ContainsFunc(w.EN, isHan) || !strings.ContainsFunc(w.ZH, isHan) || strings.HasSuffix(w.EN, ".") {
				t.Errorf("%s: %q, %q", k.Name, w.EN, w.ZH)
			}
		}
	}
	if len(seen) < 30 {
		t.Errorf("%d kinds", len(seen))
	}
}

func TestSay(t *testing.T) {
	text, advice := Say("common_address", Values(5, uint16(1)), 312)
	if want := "device answers with common address 5, 1 is configured: 312 ASDUs kept as strays"; text.EN != want {
		t.Errorf("got %q, want %q", text.EN, want)
	}
	if want := "设备以公共地址 5 应答，配置为 1：312 个 ASDU 存为无主数据"; text.ZH != want {
		t.Errorf("got %q, want %q", text.ZH, want)
	}
	if !strings.HasPrefix(advice.EN, "correct common_address") {
		t.Error(advice.EN)
	}
	if text, _ := Say("common_address", nil, 0); !strings.Contains(text.EN, "address ?, ? is") {
		t.Errorf("of an older build, with fewer values: %q", text.EN)
	}
	if text, _ := Say("common_address", []string{"{want}", "1"}, 1); !strings.Contains(text.EN, "address {want}, 1 is") {
		t.Errorf("a value isn't read again: %q", text.EN)
	}
	if text, _ := Say("of_tomorrow", Values("a", 1), 0); text.EN != "of_tomorrow: a, 1" {
		t.Errorf("of a newer build: %q", text.EN)
	}
}

func TestIDs(t *testing.T) {
	if got := CommonAddress.ID("rtu/1"); got != "rtu.1.common_address" {
		t.Error(got)
	}
	if k, ok := OfID("uplink.occ.a.b.retention"); !ok || k != Retention {
		t.Error("kind of an id")
	}
	for _, bad := range []string{"", "retention", ".retention", "uplink.occ.", "uplink.occ.nothing"} {
		if k, ok := OfID(bad); ok {
			t.Errorf("%q is %s", bad, k.Name)
		}
	}
}
