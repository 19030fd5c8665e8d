// Package plain keeps what can move a terminal's cursor, ring it or turn its text around out of texts that others have given: names from
// tables, stations, clients and certificates.
package plain

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Text is s with each rune that can't be printed as Go writes it in a string literal, such as \x1b. Line ends and tabs stay.
func Text(s string) string { return escape(s, odd) }

// Line is Text for what is to be one line: its line ends and tabs are written so too, so that nothing in it looks like a line of
// somebody else's.
func Line(s string) string {
	return escape(s, func(r rune) bool { return odd(r) || r == '\n' || r == '\t' })
}

func escape(s string, odd func(rune) bool) string {
	if !strings.ContainsFunc(s, odd) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)):
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[i])|0x100, 16)[1:])
		case odd(r):
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// JSON is a JSON text with each such rune in its strings as JSON escapes it, such as \u202e. An encoder escapes only what lies
// below a space.
func JSON(text []byte) []byte {
	if bytes.IndexFunc(text, odd) < 0 {
		return text
	}
	var b []byte
	for _, r := range string(text) {
		switch {
		case !odd(r) || r == '\r': // that one can only stand between values here
			b = utf8.AppendRune(b, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
	}
	return b
}

// JSONWriter writes JSON texts, each in one call, as JSON makes them.
func JSONWriter(w io.Writer) io.Writer { return jsonWriter{w} }

type jsonWriter struct{ to io.Writer }

func (w jsonWriter) Write(text []byte) (int, error) {
	if _, err := w.to.Write(JSON(text)); err != nil {
		return 0, err
	}
	return len(text), nil
}

// Deceptive tells whether a text has a control character, other than a line end or a tab, or one that turns the direction of
// text around: nobody writes these into a name but by accident or to deceive.
func Deceptive(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return r != '\n' && r != '\r' && r != '\t' && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
	})
}

func odd(r rune) bool {
	return r != '\n' && r != '\t' && !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r)
}
