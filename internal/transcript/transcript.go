// Package transcript lets tests play what a person can read: files of what is done and what is seen of it.
//
// A file is blocks: lines of what is done, a line ----, what is seen of them, and an empty line. Lines that begin with # are
// remarks. With the flag -rewrite the files are written anew from what is seen; read the difference before committing.
package transcript

import (
	"flag"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// Play plays each file that the pattern names, as a test of its own. begin is called for each of them; what it returns does
// one line, and tells what is seen of it.
func Play(t *testing.T, pattern string, begin func(t *testing.T) func(line string) (string, error)) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts %s: %v", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			do := begin(t)
			datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
				var all strings.Builder
				for _, line := range lines(d) {
					seen, err := do(line)
					if err != nil {
						d.Fatalf(t, "%s: %v", line, err)
					}
					all.WriteString(seen)
				}
				return all.String()
			})
		})
	}
}

// Rewriting tells whether the tests are to write down what they see.
func Rewriting() bool { return flag.Lookup("rewrite").Value.String() == "true" }

// lines are what a block does. The library takes the first one for a command with arguments.
func lines(d *datadriven.TestData) (all []string) {
	first := []string{d.Cmd}
	for _, arg := range d.CmdArgs {
		first = append(first, arg.String())
	}
	for _, line := range append([]string{strings.Join(first, " ")}, strings.Split(d.Input, "\n")...) {
		if line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	return all
}
