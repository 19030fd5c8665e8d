// Package yamldoc reads YAML that people and strangers write. The library panics on some of it, such as "! 0", and needs hours for
// 100 kB of opening brackets: here both are errors, like every other text that is no YAML. All YAML of the project is read
// through it.
package yamldoc

import (
	"bytes"
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Unmarshal is [yaml.UnmarshalWithOptions].
func Unmarshal(text []byte, v any, options ...yaml.DecodeOption) (err error) {
	defer caught(&err)
	if err := shallow(text); err != nil {
		return err
	}
	return yaml.UnmarshalWithOptions(text, v, options...)
}

// Parse is [parser.ParseBytes], without comments.
func Parse(text []byte, options ...parser.Option) (file *ast.File, err error) {
	defer caught(&err)
	if err := shallow(text); err != nil {
		return nil, err
	}
	return parser.ParseBytes(text, 0, options...)
}

// maxDepth is how deep a text may be nested. What people write is at most a dozen deep.
const maxDepth = 64

// shallow refuses what is nested too deep: by brackets, wherever they stand, or by the dashes and question marks that a line
// begins with.
func shallow(text []byte) error {
	depth, number := 0, 0
	for line := range bytes.Lines(text) {
		number++
		marks := 0
		for rest := bytes.TrimLeft(line, " "); len(rest) > 1 && (rest[0] == '-' || rest[0] == '?') && rest[1] == ' '; marks++ {
			rest = bytes.TrimLeft(rest[1:], " ")
		}
		for _, c := range line {
			switch c {
			case '[', '{':
				depth++
			case ']', '}':
				depth = max(depth-1, 0)
			}
			if depth > maxDepth || marks > maxDepth {
				return fmt.Errorf("line %d: nested more than %d deep", number, maxDepth)
			}
		}
	}
	return nil
}

// caught makes an error of a panic. The library keeps nothing between two calls, so what it was amidst of is lost with it.
func caught(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("it can't be read as YAML: %v", r)
	}
}
