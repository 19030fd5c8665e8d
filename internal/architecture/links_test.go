package architecture

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// markdown gives the pages of the project by name, without what is in code blocks.
func markdown(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return fs.SkipDir
		}
		if filepath.Ext(name) != ".md" {
			return nil
		}
		text, err := fs.ReadFile(root, name)
		pages[name] = codeBlocks.ReplaceAllString(string(text), "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

var (
	codeBlocks = regexp.MustCompile("(?ms)^```.*?^```$")
	codeSpans  = regexp.MustCompile("`[^`\n]*`")
	links      = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	headings   = regexp.MustCompile(`(?m)^#+ (.*)$`)
	anchorTags = regexp.MustCompile(`<a id="([^"]+)">`)
	linkTexts  = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// anchors are the places in a page that can be linked to, as GitHub names them.
func anchors(page string) map[string]bool {
	known := map[string]bool{}
	for _, m := range headings.FindAllStringSubmatch(page, -1) {
		var name strings.Builder
		for _, r := range strings.ToLower(linkTexts.ReplaceAllString(m[1], "$1")) {
			switch {
			case r == ' ':
				name.WriteByte('-')
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				name.WriteRune(r)
			}
		}
		known[name.String()] = true
	}
	for _, m := range anchorTags.FindAllStringSubmatch(page, -1) {
		known[m[1]] = true
	}
	return known
}

// Every relative link of every page leads to a file, and to a place in it.
func TestLinks(t *testing.T) {
	pages := markdown(t)
	if len(pages) < 20 {
		t.Fatalf("%d pages", len(pages))
	}
	checked := 0
	for name, page := range pages {
		for _, m := range links.FindAllStringSubmatch(codeSpans.ReplaceAllString(page, ""), -1) {
			u, err := url.Parse(m[1])
			if err != nil {
				t.Errorf("%s: %s: %v", name, m[1], err)
				continue
			}
			if u.Scheme != "" {
				continue
			}
			checked++
			target := name
			if u.Path != "" {
				target = filepath.Join(filepath.Dir(name), u.Path)
			}
			if _, err := os.Stat(filepath.Join("../..", target)); err != nil {
				t.Errorf("%s links to %s, which isn't there", name, m[1])
				continue
			}
			if text, isPage := pages[target]; u.Fragment != "" && (!isPage || !anchors(text)[u.Fragment]) {
				t.Errorf("%s links to %s, and %s has no such place", name, m[1], target)
			}
		}
	}
	if checked < 100 {
		t.Errorf("%d links: the pattern finds too few", checked)
	}
}

func TestAnchors(t *testing.T) {
	known := anchors("# Backup: *state*, `keys`\n## See [X](y.md) & Z\n### 遥信 与 遥控\n<a id=\"dead\"></a>\n")
	for _, want := range []string{"backup-state-keys", "see-x--z", "遥信-与-遥控", "dead"} {
		if !known[want] {
			t.Errorf("no %s in %v", want, known)
		}
	}
}
