package stationcmd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// plan is what is asked about a new station.
type plan struct {
	number   uint16
	name     string
	zone     *time.Location
	fep1     netip.Addr
	fep2     netip.Addr
	witness  netip.Addr
	channels []netip.AddrPort // of the first RTU; none: there is none yet
	centre   []netip.Prefix   // where the control centre connects from; none: there is none yet
}

// The ports of a new station: between the nodes, of the API, and where the control centre connects to.
const (
	nodePort   = 7300
	apiPort    = 7310
	centrePort = 2404
)

// machine is one of the three.
type machine struct {
	id, role string
	host     int
	address  netip.Addr
}

func (m machine) at(port uint16) string { return netip.AddrPortFrom(m.address, port).String() }

func (p *plan) nodes() []machine {
	return []machine{{"fep1", "fep", 1, p.fep1}, {"fep2", "fep", 2, p.fep2}, {"wit", "witness", 3, p.witness}}
}

// together is what is wrong with answers that are right each for itself.
func (p *plan) together() error {
	if p.fep1 == p.fep2 || p.fep1 == p.witness || p.fep2 == p.witness {
		return fmt.Errorf("--fep1 %s, --fep2 %s, --witness %s: expected three different addresses, one of each machine", p.fep1, p.fep2, p.witness)
	}
	return nil
}

// question is one of them: a flag, or asked for.
type question struct {
	flag, help string
	prompt     string
	needed     bool
	preset     func() string // the answer where none is given
	take       func(text string) error

	text     string // of the flag
	answered bool
}

func nothing() string { return "" }

// questions are all that is asked, in order; answers go into p.
func questions(p *plan) []*question {
	machine := func(flag, who string, to *netip.Addr) *question {
		return &question{
			flag: flag, help: "IP address of " + who + " (needed)", prompt: "IP address of " + who, needed: true, preset: nothing,
			take: func(text string) (err error) {
				*to, err = machineAddress(text)
				if err == nil {
					err = p.taken(to)
				}
				return err
			},
		}
	}
	return []*question{
		{
			flag: "number", help: "the station's number, 1 to 65535 (needed)", prompt: "Number of the station", needed: true, preset: nothing,
			take: func(text string) error {
				n, err := strconv.ParseUint(text, 10, 16)
				if err != nil || n == 0 {
					return errors.New("expected a whole number, 1 to 65535")
				}
				p.number = uint16(n)
				return nil
			},
		},
		{
			flag: "name", help: `the station's name; default "Station NUMBER"`, prompt: "Name of the station",
			preset: func() string { return fmt.Sprintf("Station %d", p.number) },
			take: func(text string) error {
				if text == "" || len(text) > 64 || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
					return errors.New("expected 1 to 64 octets that can be printed")
				}
				p.name = text
				return nil
			},
		},
		{
			flag: "time-zone", help: "the station's time zone, an IANA name such as Asia/Shanghai; default this machine's", prompt: "Time zone",
			preset: localZone,
			take: func(text string) (err error) {
				if text == "" || text == "Local" {
					return errors.New("expected a name of the IANA time zone database, such as Asia/Shanghai or UTC")
				}
				if p.zone, err = time.LoadLocation(text); err != nil {
					return fmt.Errorf("expected a name of the IANA time zone database, such as Asia/Shanghai or UTC: %w", err)
				}
				return nil
			},
		},
		machine("fep1", "the first FEP, fep1", &p.fep1),
		machine("fep2", "the second FEP, fep2", &p.fep2),
		machine("witness", "the witness, wit", &p.witness),
		{
			flag: "rtu", help: "ADDRESS:PORT of the first RTU; of several channels, each, with commas between; default none yet",
			prompt: "ADDRESS:PORT of the first RTU, each of its channels (none yet: leave it empty)", preset: nothing,
			take: func(text string) (err error) {
				p.channels, err = list(text, "an address and a port such as 192.168.1.1:2404", func(one string) (netip.AddrPort, error) {
					a, err := netip.ParseAddrPort(one)
					if err == nil && (a.Port() == 0 || a.Addr().IsUnspecified() || a.Addr().IsMulticast()) {
						err = errors.New("no device has it")
					}
					return a, err
				})
				return err
			},
		},
		{
			flag: "centre", help: "network or address that the control centre connects from, such as 10.10.0.0/16; several with commas between; default none yet",
			prompt: "Networks that the control centre connects from (none yet: leave it empty)", preset: nothing,
			take: func(text string) (err error) {
				p.centre, err = list(text, "a network such as 10.10.0.0/16, or an address", func(one string) (netip.Prefix, error) {
					if a, err := netip.ParseAddr(one); err == nil {
						return netip.PrefixFrom(a, a.BitLen()), nil
					}
					n, err := netip.ParsePrefix(one)
					if err == nil && n != n.Masked() {
						err = fmt.Errorf("%s begins at %s", n, n.Masked())
					}
					return n, err
				})
				return err
			},
		},
	}
}

// taken is an error if another machine has this one's address.
func (p *plan) taken(of *netip.Addr) error {
	for _, other := range []*netip.Addr{&p.fep1, &p.fep2, &p.witness} {
		if other != of && *other == *of {
			return fmt.Errorf("another machine has %s: expected three different addresses", *of)
		}
	}
	return nil
}

// machineAddress reads an address at which the other machines reach one.
func machineAddress(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	switch {
	case err != nil, a.Zone() != "":
		return netip.Addr{}, errors.New("expected an IP address such as 10.91.2.66, without a port")
	case a.IsLoopback(), a.IsUnspecified(), a.IsMulticast():
		return netip.Addr{}, errors.New("expected an address at which the other machines reach it: on one machine, `fepha dev` runs a station")
	}
	return a.Unmap(), nil
}

// list reads what commas part; "" is none.
func list[T comparable](text, expected string, read func(string) (T, error)) (all []T, err error) {
	if text == "" {
		return nil, nil
	}
	for one := range strings.SplitSeq(text, ",") {
		one = strings.TrimSpace(one)
		v, err := read(one)
		if err != nil {
			return nil, fmt.Errorf("%q: expected %s (%w)", one, expected, err)
		}
		if slices.Contains(all, v) {
			return nil, fmt.Errorf("%q is there twice", one)
		}
		all = append(all, v)
	}
	return all, nil
}

// localZone is this machine's time zone; UTC if it isn't known by name.
func localZone() string {
	if zone := os.Getenv("TZ"); zone != "" {
		if _, err := time.LoadLocation(zone); err == nil {
			return zone
		}
	}
	if target, err := filepath.EvalSymlinks("/etc/localtime"); err == nil {
		if _, zone, ok := strings.Cut(target, "/zoneinfo/"); ok {
			if _, err := time.LoadLocation(zone); err == nil && zone != "Etc/UTC" {
				return zone
			}
		}
	}
	return "UTC"
}

// ask asks for what has no answer yet, each until the answer is right.
func ask(in io.Reader, out io.Writer, qs []*question) error {
	lines := bufio.NewReader(io.LimitReader(in, 1<<16))
	for _, q := range qs {
		for !q.answered {
			preset := q.preset()
			if preset != "" {
				fmt.Fprintf(out, "%s [%s]: ", q.prompt, preset)
			} else {
				fmt.Fprintf(out, "%s: ", q.prompt)
			}
			line, err := lines.ReadString('\n')
			if err != nil {
				return fmt.Errorf("nothing was written: no answer to %q: %w", q.prompt, err)
			}
			text := strings.TrimSpace(line)
			if text == "" {
				text = preset
			}
			if err := q.take(text); err != nil {
				fmt.Fprintf(out, "  %v\n", err)
				continue
			}
			q.answered = true
		}
	}
	return nil
}
