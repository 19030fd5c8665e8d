package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fepha/fepha/cmd/internal/rig"
)

// The pages' commands: every one is a command of the program, and those of some pages are run in the order in which a reader
// meets them.

// docPages are all pages for users, by name.
func docPages(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	for _, pattern := range []string{"README*.md", "docs/*.md", "docs/zh/*.md", "configs/monitoring/*.md", "api/*.md", "rtdb/*.md"} {
		names, _ := filepath.Glob(filepath.Join("../..", pattern))
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			pages[strings.TrimPrefix(name, "../../")] = string(text)
		}
	}
	return pages
}

var (
	shellBlock  = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")
	shellInline = regexp.MustCompile("`(fepha [a-z][^`\n]*)`")
	shellIndent = regexp.MustCompile(`(?m)^    (fepha [a-z].*)$`)
	comment     = regexp.MustCompile(`\s+#.*$`)
)

// blockCommands are the lines of a page's sh blocks, without comments and without what goes on.
func blockCommands(page string) (list []string) {
	for _, block := range shellBlock.FindAllStringSubmatch(page, -1) {
		for line := range strings.Lines(block[1]) {
			if line = comment.ReplaceAllString(strings.TrimSpace(line), ""); line != "" && !strings.HasPrefix(line, "#") {
				list = append(list, line)
			}
		}
	}
	return list
}

// words splits a line as a shell does, as far as pages need it.
func words(line string) (list []string) {
	for _, m := range regexp.MustCompile(`'([^']*)'|"([^"]*)"|(\S+)`).FindAllStringSubmatch(line, -1) {
		list = append(list, m[1]+m[2]+m[3])
	}
	return list
}

// Every fepha command that a page names is there, with its flags.
func TestPagesNameCommandsThatAreThere(t *testing.T) {
	checked := 0
	for name, page := range docPages(t) {
		lines := blockCommands(page)
		for _, m := range slices.Concat(shellInline.FindAllStringSubmatch(page, -1), shellIndent.FindAllStringSubmatch(page, -1)) {
			lines = append(lines, comment.ReplaceAllString(m[1], ""))
		}
		for _, line := range lines {
			line, _, _ = strings.Cut(line, " > ")
			line, _, _ = strings.Cut(line, " | ")
			args := words(strings.TrimSuffix(line, " >"))
			if args[0] != "fepha" {
				continue
			}
			checked++
			root := &cobra.Command{Use: "fepha"}
			root.AddCommand(commands()...)
			// "rtu|uplink" and "list|show" stand for several commands.
			for _, variant := range variants(args[1:]) {
				cmd, rest, err := root.Find(variant)
				if err != nil || cmd == root {
					t.Errorf("%s: %q: there is no command %q", name, line, variant[0])
					continue
				}
				if cmd.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") && !cmd.Runnable() {
					t.Errorf("%s: %q: %s has no %q", name, line, cmd.CommandPath(), rest[0])
				}
				for _, word := range rest {
					flag, isFlag := strings.CutPrefix(word, "--")
					flag, _, _ = strings.Cut(flag, "=")
					if isFlag && flag != "" && flagOf(cmd, flag) == nil && flag != "help" {
						t.Errorf("%s: %q: %s has no flag --%s", name, line, cmd.CommandPath(), flag)
					}
				}
			}
		}
	}
	if checked < 200 {
		t.Errorf("%d commands: the patterns find too few", checked)
	}
}

// variants are the commands that words with | stand for.
func variants(args []string) [][]string {
	list := [][]string{nil}
	for _, a := range args {
		var next [][]string
		for option := range strings.SplitSeq(a, "|") {
			for _, before := range list {
				next = append(next, append(slices.Clone(before), option))
			}
		}
		list = next
	}
	return list
}

func flagOf(cmd *cobra.Command, name string) *pflag.Flag {
	if f := cmd.Flags().Lookup(name); f != nil {
		return f
	}
	return cmd.InheritedFlags().Lookup(name)
}

// The Chinese pages have the English ones' commands and as many headings: what one says the other does.
func TestChinesePagesKeepUp(t *testing.T) {
	pages := docPages(t)
	for _, name := range []string{"README.zh.md", "docs/zh/OPERATIONS.md", "docs/zh/TROUBLESHOOTING.md"} {
		if pages[name] == "" {
			t.Errorf("%s is missing", name)
		}
	}
	for zh := range pages {
		if !strings.HasPrefix(zh, "docs/zh/") && zh != "README.zh.md" {
			continue
		}
		en := strings.Replace(strings.Replace(zh, "docs/zh/", "docs/", 1), ".zh.md", ".md", 1)
		if pages[en] == "" {
			t.Errorf("%s is there, and %s isn't", zh, en)
		}
		blocks := regexp.MustCompile("(?ms)^```.*?^```$")
		if a, b := blocks.FindAllString(pages[en], -1), blocks.FindAllString(pages[zh], -1); !slices.Equal(a, b) {
			t.Errorf("%s has other blocks than %s:\n%s\nand\n%s", zh, en, strings.Join(b, "\n"), strings.Join(a, "\n"))
		}
		levels := func(page string) (list []string) {
			for _, m := range regexp.MustCompile(`(?m)^(#+) `).FindAllStringSubmatch(blocks.ReplaceAllString(page, ""), -1) {
				list = append(list, m[1])
			}
			return list
		}
		if a, b := levels(pages[en]), levels(pages[zh]); !slices.Equal(a, b) {
			t.Errorf("%s has the headings %v, %s %v", zh, b, en, a)
		}
	}
}

// Whoever follows docs/OPERATIONS.md and docs/TROUBLESHOOTING.md from top to bottom gets what they say.
func TestPagesAreFollowed(t *testing.T) {
	pages := docPages(t)
	s, ctx := newStation(t, rig.Options{Mode: "main-standby"})
	t.Setenv("FEPHA_ADDR", s.Node("fep1").API)
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("bob.password", []byte("a horse in the rain 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	place := strings.NewReplacer("/etc/fepha/station.yaml", s.Node("fep1").Config())
	follow := func(line string) {
		args := words(place.Replace(line))
		if args[0] != "fepha" {
			t.Logf("not run here: %s", line)
			return
		}
		most := 0
		if slices.Contains(args, "--check") {
			most = 2 // what is wrong with this machine, such as its clock, is told
		}
		var out, errs bytes.Buffer
		until(t, line, func() bool {
			out.Reset()
			errs.Reset()
			code := run(ctx, args[1:], strings.NewReader(""), &out, &errs)
			// Right after a move another one has to wait for the former to end.
			return code <= most
		})
		if most == 0 && out.Len() == 0 && errs.Len() > 0 {
			t.Errorf("%s: %s", line, &errs)
		}
	}
	for _, line := range blockCommands(pages["docs/OPERATIONS.md"]) {
		follow(line)
	}
	column := regexp.MustCompile("(?m)^\\|[^|]*\\|[^|]*\\| `(fepha [^`]*)` \\|")
	for _, m := range column.FindAllStringSubmatch(pages["docs/TROUBLESHOOTING.md"], -1) {
		follow(m[1])
	}
}
