package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/internal/reload"
	"github.com/fepha/fepha/internal/yamldoc"
)

// unsaidRole is the role of those whose row in a file of tokens, or whose certificate, says none: they were given it before there
// were roles, and go on with what they did, but for what an admin does.
const unsaidRole = fsm.Engineer

// token is a row of this node's file: who holds one, and its hash.
type token struct {
	name string
	role fsm.Role
	sum  [sha256.Size]byte
}

// tokens are those of the file, as it is now. While it is gone or can't be read, it lets nobody in: whoever takes it away means
// that. Only at the start that is an error.
func (s *Security) tokens(log *slog.Logger) (*reload.Value[[]token], error) {
	if s.Tokens == "" {
		return reload.New(func() ([]token, error) { return nil, nil }, nil)
	}
	started := false
	return reload.New(func() ([]token, error) {
		tokens, err := readTokens(s.Tokens)
		if err != nil && started {
			log.Error("the file of tokens can't be read: it lets nobody in until it can", "error", err)
			return nil, nil
		}
		started = true
		for _, t := range tokens {
			if t.role == fsm.NoRole {
				log.Warn("a token says no role: write it into its row", "file", s.Tokens, "name", t.name, "taken_for", unsaidRole.String())
			}
		}
		return withRoles(tokens), err
	}, nil, s.Tokens)
}

func readTokens(path string) ([]token, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	tokens, err := parseTokens(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return tokens, nil
}

// withRoles fills in the role of those that say none.
func withRoles(tokens []token) []token {
	for i := range tokens {
		if tokens[i].role == fsm.NoRole {
			tokens[i].role = unsaidRole
		}
	}
	return tokens
}

// fileTokens are those of this node's file, as it is now.
func (g *Guard) fileTokens() []token {
	if tokens := g.tokens.Load(); tokens != nil {
		return tokens.Get()
	}
	return nil
}

// findToken finds the row of a token. Every row is compared, in constant time, so that the time says nothing.
func findToken(tokens []token, sum [sha256.Size]byte) (found token, ok bool) {
	for _, t := range tokens {
		if subtle.ConstantTimeCompare(sum[:], t.sum[:]) == 1 {
			found, ok = t, true
		}
	}
	return found, ok
}

// TokenHolders reads the content of a file of tokens and tells who has one.
func TokenHolders(text []byte) (names []string, err error) {
	tokens, err := parseTokens(text)
	for _, t := range tokens {
		names = append(names, t.name)
	}
	return names, err
}

func parseTokens(text []byte) ([]token, error) {
	var rows []struct {
		Name   string `yaml:"name"`
		SHA256 string `yaml:"sha256"`
		Role   string `yaml:"role"`
	}
	if err := yamldoc.Unmarshal(text, &rows, yaml.Strict()); err != nil && !errors.Is(err, io.EOF) { // EOF: nobody has one
		// Not the library's text, which quotes the file: someone may have put the token itself into it.
		if e, ok := err.(yaml.Error); ok && e.GetToken() != nil {
			return nil, fmt.Errorf("line %d: expected a list of {name, sha256, role}", e.GetToken().Position.Line)
		}
		return nil, fmt.Errorf("expected a list of {name, sha256, role}")
	}
	var tokens []token
	for i, row := range rows {
		t := token{name: row.Name}
		sum, err := hex.DecodeString(strings.TrimSpace(row.SHA256))
		switch {
		case row.Name == "":
			return nil, fmt.Errorf("token %d: no name", i+1)
		case slices.ContainsFunc(tokens, func(o token) bool { return o.name == t.name }):
			return nil, fmt.Errorf("token %d: %q is there twice", i+1, row.Name)
		case err != nil || len(sum) != len(t.sum):
			return nil, fmt.Errorf("token %d, %q: sha256: expected %d hexadecimal digits", i+1, row.Name, 2*len(t.sum))
		}
		if row.Role != "" {
			if t.role, err = fsm.ParseRole(row.Role); err != nil {
				return nil, fmt.Errorf("token %d, %q: %w", i+1, row.Name, err)
			}
		}
		copy(t.sum[:], sum)
		tokens = append(tokens, t)
	}
	return tokens, nil
}
