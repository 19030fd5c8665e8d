package wire

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// KeySize is the number of octets in a key.
const KeySize = 32

// Key is a key that all stations of a network share.
type Key struct {
	ID     uint8 // told in each datagram, so that keys can be changed one station after another
	Secret [KeySize]byte
}

// Keys are the keys of a station: it makes datagrams with the first and accepts all.
type Keys []Key

// OpenKeys is a key that everybody knows, key 0 of 32 zero octets: for a network that is one machine alone.
func OpenKeys() Keys { return Keys{{}} }

// ReadKeys reads a key file: one key a line as `id:hex`, id 0 to 255, 64 hex digits. Empty lines and lines that begin
// with # are skipped. A file that all users of the machine may read, or others may write, is refused. To change keys, append the new one on every station, then move it to the first line on every
// station, then remove the old one.
func ReadKeys(path string) (Keys, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: key file: %w", ErrConfig, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%w: key file: %w", ErrConfig, err)
	}
	if mode := info.Mode().Perm(); mode&0o027 != 0 {
		return nil, fmt.Errorf("%w: key file %s has mode %04o, want 0600 or 0640: it holds a secret", ErrConfig, path, mode)
	}
	keys, err := parseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%w: key file %s: %w", ErrConfig, path, err)
	}
	return keys, nil
}

// parseKeys reads the text of a key file. Its errors name the line and never show a key.
func parseKeys(text []byte) (Keys, error) {
	var keys Keys
	seen := map[uint8]int{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		id, secret, ok := strings.Cut(line, ":")
		number, err := strconv.ParseUint(id, 10, 8)
		if !ok || err != nil {
			return nil, fmt.Errorf("line %d: want id:hex with an id of 0 to 255", n)
		}
		key := Key{ID: uint8(number)}
		if len(secret) != hex.EncodedLen(KeySize) {
			return nil, fmt.Errorf("line %d: %d hex digits, want %d", n, len(secret), hex.EncodedLen(KeySize))
		}
		if _, err := hex.Decode(key.Secret[:], []byte(secret)); err != nil {
			return nil, fmt.Errorf("line %d: not hex digits", n)
		}
		if first, twice := seen[key.ID]; twice {
			return nil, fmt.Errorf("line %d: key %d is on line %d already", n, key.ID, first)
		}
		seen[key.ID] = n
		keys = append(keys, key)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("no key in it")
	}
	return keys, nil
}
