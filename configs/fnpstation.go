package configs

import (
	"fmt"
	"net/netip"
)

// FNPStation is what an ordinary station of the FNP network is told, apart from fepha's own station.yaml.
type FNPStation struct {
	ID        int              // in the network, 1 to 2^53-1
	Name      string           // at most 32 octets
	Listen    netip.AddrPort   // UDP; with port 0 any that is free
	Advertise *netip.AddrPort  // what the table is to hold; nil: Listen
	Centres   []netip.AddrPort // nodes of the centre
	Multicast *netip.AddrPort
	Interface string // of the multicast, by name; empty: the one that has the listen address
	KeyFile   File   // none with Insecure alone
	Insecure  bool   // a key that everybody knows: accepted while every address is loopback
	CopyFile  File   // where the copy of the table is kept; none: nowhere
}

// LoadFNPStation reads a station's file. What's wrong with it comes as *Errors, all of it.
func LoadFNPStation(path string) (*FNPStation, error) {
	l := newLoader(path, readFile)
	root := l.root()
	if root == nil {
		return nil, l.errs
	}
	s := l.fnpStation(root)
	if l.errs.Total > 0 {
		l.errs.sort(l.paths)
		return nil, l.errs
	}
	return s, nil
}

func (l *loader) fnpStation(o *object) *FNPStation {
	o.required("id", "listen")
	s := &FNPStation{
		ID:        o.int("id", 0, 1, maxFNPID),
		Listen:    o.listen("listen"),
		Multicast: o.multicast("multicast"),
		Interface: o.text("interface", ""),
		KeyFile:   l.path(o, "key_file"),
		Insecure:  o.bool("insecure", false),
		CopyFile:  l.path(o, "copy_file"),
	}
	s.Name = o.fnpName("name", fmt.Sprintf("Station %d", s.ID))
	if a := o.address("advertise"); a.IsValid() {
		s.Advertise = &a
	}
	s.Centres = o.nodeAddresses("centres")
	if len(s.Centres) == 0 && s.Multicast == nil {
		o.fail("centres", "is missing, and so is multicast", "the addresses of the centre's nodes, or the group that it multicasts to")
	}
	switch {
	case s.KeyFile.IsZero() && !s.Insecure:
		o.fail("key_file", "is missing", "a file with the network's key, or insecure: true")
	case !s.KeyFile.IsZero() && s.Insecure:
		o.fail("insecure", "stands beside key_file", "one of the two")
	}
	if s.Multicast != nil && s.Multicast.Port() == s.Listen.Port() {
		o.fail("listen", fmt.Sprintf("port %d is the multicast group's too", s.Listen.Port()), "another port")
	}
	if s.Insecure {
		for i, a := range append([]netip.AddrPort{s.Listen}, s.Centres...) {
			if a.IsValid() && !a.Addr().IsLoopback() {
				key := "listen"
				if i > 0 {
					key = fmt.Sprintf("centres[%d]", i-1)
				}
				o.doc.fail(o.key(key), a.Addr().String()+" is not a loopback address", "127.0.0.0/8 or ::1 while insecure is true")
			}
		}
	}
	o.end()
	return s
}

// listen reads an address to listen at, whose port may be 0.
func (o *object) listen(name string) netip.AddrPort {
	text := o.text(name, "")
	if text == "" {
		return netip.AddrPort{}
	}
	a, err := netip.ParseAddrPort(text)
	if err != nil {
		o.fail(name, quote(text)+" is not an address with a port", "one such as 10.91.3.1:7401 or [fd00::1]:0")
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
