package reference

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/fepha/fepha/configs"
)

// Every key in the pages' pieces of station.yaml is one that its reader asks for.
func TestSnippetsHaveKnownKeys(t *testing.T) {
	keys := configs.Keys(specimen)
	known := func(path string) bool {
		for _, k := range keys {
			if k.Path == path || strings.HasSuffix(k.Path, "."+path) && strings.Count(path, ".") < strings.Count(k.Path, ".") {
				return true
			}
			if parent := path[:max(0, strings.LastIndexByte(path, '.'))]; k.Type == "address by node" && parent != "" && (k.Path == parent || strings.HasSuffix(k.Path, "."+parent)) {
				return true // a node's id
			}
		}
		return false
	}
	block := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")
	names, _ := filepath.Glob("../../docs/*.md")
	checked := 0
	for _, name := range names {
		page, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range block.FindAllStringSubmatch(string(page), -1) {
			var content any
			if err := yaml.Unmarshal([]byte(m[1]), &content); err != nil {
				t.Errorf("%s: %v in\n%s", filepath.Base(name), err, m[1])
				continue
			}
			checked++
			for _, path := range paths("", content) {
				if !known(path) {
					t.Errorf("%s: there is no key %s", filepath.Base(name), path)
				}
			}
		}
	}
	if checked < 5 {
		t.Errorf("%d pieces of YAML", checked)
	}
	if known("rtus[].iec104.kk") || known("retri") || !known("channels[].address") || !known("uplinks[].listen.fep1") {
		t.Error("what is known isn't told from what isn't")
	}
}

// paths are the keys of a mapping and of what is in it.
func paths(under string, value any) (list []string) {
	switch v := value.(type) {
	case map[string]any:
		for key, below := range v {
			path := strings.TrimPrefix(under+"."+key, ".")
			list = append(append(list, path), paths(path, below)...)
		}
	case []any:
		for _, below := range v {
			list = append(list, paths(under+"[]", below)...)
		}
	case nil, string, bool, uint64, int64, float64:
	default:
		list = append(list, fmt.Sprintf("%s of %T", under, v))
	}
	return list
}
