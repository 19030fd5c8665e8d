// Write writes docs/CONFIGURATION.md to the path that it is given.
package main

import (
	"fmt"
	"os"

	"github.com/fepha/fepha/configs/reference"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "write: expected the page's path")
		os.Exit(2)
	}
	page, err := reference.Page()
	if err == nil {
		err = os.WriteFile(os.Args[1], []byte(page), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "write:", err)
		os.Exit(1)
	}
}
