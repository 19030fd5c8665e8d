// Package resp speaks just enough of Redis' protocol to be a client that does as it likes: one that a well-kept library would not let
// one be, and the one that judges beside it.
package resp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Error is what the server refuses with.
type Error string

func (e Error) Error() string { return string(e) }

// errReply: the server says something that is no reply.
var errReply = errors.New("no reply of RESP2")

// maxBulk bounds a bulk string, in octets, and maxArray the parts of an array.
const maxBulk, maxArray = 1 << 20, 1 << 16

// Append appends a command of these parts.
func Append(b []byte, parts ...string) []byte {
	b = fmt.Appendf(b, "*%d\r\n", len(parts))
	for _, p := range parts {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(p), p)
	}
	return b
}

// Read reads a reply: a string, an int64, a []any of these, or nil. What the server refuses is an Error.
func Read(in *bufio.Reader) (any, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	text := strings.TrimSuffix(line, "\r\n")
	if len(text) == len(line) || text == "" {
		return nil, fmt.Errorf("%w: %.100q", errReply, line)
	}
	kind, text := text[0], text[1:]
	switch kind {
	case '+':
		return text, nil
	case '-':
		return nil, Error(text)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
	case kind == ':':
		return n, nil
	case n == -1 && (kind == '$' || kind == '*'):
		return nil, nil
	case kind == '$' && n >= 0 && n <= maxBulk:
		b := make([]byte, n+2)
		_, err := io.ReadFull(in, b)
		return string(b[:n]), err
	case kind == '*' && n >= 0 && n <= maxArray:
		list := make([]any, n)
		for i := range list {
			if list[i], err = Read(in); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	return nil, fmt.Errorf("%w: %.100q", errReply, line)
}
