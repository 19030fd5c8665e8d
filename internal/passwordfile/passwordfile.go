// Package passwordfile reads passwords, which the configuration names by their files.
package passwordfile

import (
	"fmt"
	"os"
	"strings"
)

// Read is the password in a file, without the line end; that of "" is "". It's to be asked for at each connection, so that a
// password that was changed is in force at the next one.
func Read(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("password file: %w", err)
	}
	return strings.TrimRight(string(raw), "\r\n"), nil
}
