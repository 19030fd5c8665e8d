package configs

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// folded is text without what people don't see or type by the way: full-width letters, digits and points become plain ones,
// spaces of all sorts go, and so do marks of no width.
func folded(text string) string {
	plain := true
	for i := 0; i < len(text); i++ {
		plain = plain && text[i] > ' ' && text[i] < 0x7f
	}
	if plain {
		return text
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '\u200b' || r == '\ufeff' {
			return -1
		}
		return r
	}, width.Fold.String(text))
}

// AddressFormat is how object addresses of several parts are written: the bits of each part. Parts with points between them
// stand in the order of the octets on the wire, the lowest first, as in 1.64.0; with hyphens the highest comes first, as in
// 64-1. The zero value takes addresses of one part alone.
type AddressFormat string

const (
	Format816 AddressFormat = "8.16"
	Format888 AddressFormat = "8.8.8"
	Format168 AddressFormat = "16.8"
)

// bits are those of each part as written.
func (f AddressFormat) bits() (bits []int) {
	for part := range strings.SplitSeq(string(f), ".") {
		n, _ := strconv.Atoi(part)
		bits = append(bits, n)
	}
	return bits
}

// parse reads an address: decimal, 0x4001, 4001H, 16385.0 as spreadsheets write whole numbers, or of parts. why says what is
// wrong with it.
func (f AddressFormat) parse(text string) (address uint64, why string) {
	text = folded(text)
	if f != "" && strings.ContainsAny(text, ".-") {
		return f.parts(text)
	}
	number, base := text, 10
	lower := strings.ToLower(text)
	if rest, ok := strings.CutPrefix(lower, "0x"); ok {
		number, base = rest, 16
	} else if rest, ok := strings.CutSuffix(lower, "h"); ok {
		number, base = rest, 16
	} else if whole, fraction, ok := strings.Cut(text, "."); ok && whole != "" && strings.Trim(fraction, "0") == "" {
		number = whole
	}
	address, err := strconv.ParseUint(number, base, 64)
	switch {
	case err == nil:
		return address, ""
	case strings.Trim(number, "0123456789") == "" && number != "": // more digits than any number here has
		return 1<<64 - 1, ""
	case strings.Trim(text, "0123456789.-") == "" && len(text) > 2:
		return 0, "is of several parts, and nothing says how they are to be read"
	}
	return 0, "is not an address"
}

func (f AddressFormat) parts(text string) (address uint64, why string) {
	bits := f.bits()
	high := strings.Contains(text, "-")
	separator := "."
	if high {
		separator = "-"
	}
	parts := strings.Split(text, separator)
	if len(parts) != len(bits) {
		return 0, fmt.Sprintf("has %d parts, not %d", len(parts), len(bits))
	}
	shift := 0
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil || n>>bits[i] != 0 {
			return 0, fmt.Sprintf("has a part %s that isn't a number of %d bits", quote(part), bits[i])
		}
		if high {
			address = address<<bits[i] | n
		} else {
			address |= n << shift
			shift += bits[i]
		}
	}
	return address, ""
}

// address reads an object address. Where it isn't one within bounds, it's reported, and ok is false.
func (r *row) address(column int, most uint32, format AddressFormat) (n uint32, ok bool) {
	text, expected := r.text(column), fmt.Sprintf("1 to %d", most)
	if text == "" {
		r.fail(column, "is missing", expected)
		return 0, false
	}
	v, why := format.parse(text)
	switch {
	case why != "" && format != "":
		r.fail(column, quote(text)+" "+why, fmt.Sprintf("%s, or parts as ioa_format: %s says", expected, format))
	case why == "is not an address":
		r.fail(column, quote(text)+" is not a whole number", expected)
	case why != "":
		r.fail(column, quote(text)+" "+why, expected+", or ioa_format beside points in station.yaml: 8.16, 8.8.8 or 16.8")
	case v < 1 || v > uint64(most):
		r.fail(column, folded(text)+" is out of range", expected)
	default:
		return uint32(v), true
	}
	return 0, false
}

// maxLinks bounds the links of a channel.
const maxLinks = 64

var manyLinks = regexp.MustCompile(`^(.*):M([0-9]+)$`)

// expandLinks reads a channel's address. address:port is one link; address:port:Mn stands for n+1 devices at consecutive
// addresses with the same port.
func expandLinks(text string) ([]Link, error) {
	first, more := text, 0
	if m := manyLinks.FindStringSubmatch(text); m != nil {
		n, err := strconv.Atoi(m[2])
		if err != nil || n >= maxLinks {
			return nil, fmt.Errorf("%s has more than %d links", quote(text), maxLinks)
		}
		first, more = m[1], n
	}
	a, err := netip.ParseAddrPort(first)
	if err != nil || a.Port() == 0 {
		return nil, errors.New(quote(text) + " is not a channel's address")
	}
	links := []Link{{netip.AddrPortFrom(a.Addr().Unmap(), a.Port())}}
	for range more {
		last := links[len(links)-1].Address.Addr()
		next := last.Next()
		// Consecutive devices are neighbours in one network; running over its last octet is a slip.
		if last.AsSlice()[len(last.AsSlice())-1] == 255 {
			return nil, fmt.Errorf("%s goes beyond %s", quote(text), last)
		}
		links = append(links, Link{netip.AddrPortFrom(next, a.Port())})
	}
	return links, nil
}
