package acquisition

import (
	"errors"
	"fmt"
	"net"

	"github.com/fepha/fepha/iec104"
)

// check returns everything that is wrong with the RTUs.
func check(rtus []RTU) error {
	var errs []error
	numbers, links := map[uint32]bool{}, map[string]uint32{}
	for _, r := range rtus {
		bad := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("%w: RTU %d: %s", ErrConfig, r.Number, fmt.Sprintf(format, args...)))
		}
		if r.Number == 0 || numbers[r.Number] {
			bad("number taken, or 0")
		}
		numbers[r.Number] = true
		if r.CommonAddress == 0 || r.CommonAddress == iec104.BroadcastAddress {
			bad("common address %d, expected that of one station", r.CommonAddress)
		}
		if r.Retry <= 0 {
			bad("retry %v, expected more than 0", r.Retry)
		}
		if err := r.Protocol.Validate(); err != nil {
			bad("%v", err)
		}
		if len(r.Channels) == 0 {
			bad("no channel")
		}
		for i, c := range r.Channels {
			if len(c.Links) == 0 {
				bad("channel %d has no link", i+1)
			}
			for j, address := range c.Links {
				if _, _, err := net.SplitHostPort(address); err != nil {
					bad("channel %d, link %d: address %q, expected host:port", i+1, j+1, address)
				} else if other, taken := links[address]; taken {
					bad("channel %d, link %d: %s is a link of RTU %d already", i+1, j+1, address, other)
				}
				links[address] = r.Number
			}
		}
		t := newTable(r.Points)
		for i, p := range t.monitored {
			if i > 0 && t.monitored[i-1].Address == p.Address {
				bad("address %d of %v %d is that of another point", p.Address, p.Kind, p.Number)
			}
		}
		for i, p := range t.controls {
			if i > 0 && t.controls[i-1].Kind == p.Kind && t.controls[i-1].Number == p.Number {
				bad("%v %d is there twice", p.Kind, p.Number)
			}
		}
		for _, p := range r.Points {
			if err := p.check(); err != nil {
				bad("%v %d: %v", p.Kind, p.Number, err)
			}
		}
	}
	return errors.Join(errs...)
}
