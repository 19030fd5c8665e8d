package cli

import (
	"bufio"
	"io"
)

// ScanLines yields the lines of in until it ends.
func ScanLines(in io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(in); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return lines
}
