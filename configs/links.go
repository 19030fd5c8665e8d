package configs

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
)

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
