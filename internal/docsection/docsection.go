// Package docsection lets the tests that measure write their figures into the pages that tell of them.
package docsection

import (
	"fmt"
	"os"
	"strings"
)

// Replace writes text between the lines "<!-- NAME -->" and "<!-- end of NAME -->" of a page.
func Replace(file, name, text string) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->\n"
	head, rest, began := strings.Cut(string(page), begin)
	_, tail, ended := strings.Cut(rest, end)
	if !began || !ended {
		return fmt.Errorf("%s has no section %q", file, name)
	}
	return os.WriteFile(file, []byte(head+begin+text+end+tail), 0o644)
}
