package core

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/channeltab/internal/wire"
	"github.com/fepha/fepha/fsm/chantable"
)

// player carries out the commands of a transcript.
type player struct {
	*world
	out    strings.Builder
	shown  map[string]bool
	drops  map[string]int
	sent   map[string]sentDatagram // last of a kind from somebody, and to somebody
	begun  time.Time               // of the current command
	cuts   map[[2]netip.AddrPort]bool
	codecs *wire.Codec
	mail   *simMailbox
}

type sentDatagram struct {
	from, to netip.AddrPort
	b        []byte
}

func newPlayer(t *testing.T) *player {
	w := newWorld(t, 1)
	p := &player{world: w, shown: map[string]bool{}, drops: map[string]int{}, sent: map[string]sentDatagram{}, cuts: map[[2]netip.AddrPort]bool{}, codecs: w.codec()}
	w.note = func(format string, args ...any) { p.printf(format, args...) }
	w.tap = p.watch
	w.cut = func(from, to netip.AddrPort) bool {
		return p.cuts[[2]netip.AddrPort{from, to}] || p.cuts[[2]netip.AddrPort{to, from}]
	}
	return p
}

// act does a line of a transcript, and returns what is seen.
func (p *player) act(line string) (string, error) {
	p.out.Reset()
	p.begun = p.now
	words := strings.Fields(line)
	err := p.command(words[0], words[1:])
	return p.out.String(), err
}

func (p *player) printf(format string, args ...any) {
	fmt.Fprintf(&p.out, "%8s  %s\n", p.now.Sub(p.begun).Round(time.Millisecond), fmt.Sprintf(format, args...))
}

// who names an address.
func (p *player) who(a netip.AddrPort) string {
	if !a.IsValid() {
		return "all"
	}
	for i, g := range p.groups {
		if n, ok := g.byAddress[a]; ok {
			if i > 0 {
				return fmt.Sprintf("%d/%s", g.id, n.name)
			}
			return n.name
		}
	}
	for _, s := range p.all {
		if s.address == a {
			return fmt.Sprint(s.id)
		}
	}
	return a.String()
}

// watch prints a datagram that is to be shown, and loses one that is to be dropped.
func (p *player) watch(from, to netip.AddrPort, b []byte) bool {
	d, err := p.codecs.Open(b)
	if err != nil {
		p.t.Fatalf("%s sent %x: %v", p.who(from), b, err)
	}
	kind := d.Body.Kind().String()
	p.sent[kind+" "+p.who(from)] = sentDatagram{from, to, slices.Clone(b)}
	if s := p.stations[to]; s != nil {
		p.sent[kind+" "+p.who(from)+" to "+s.setup.Name] = sentDatagram{from, to, slices.Clone(b)}
	}
	lost := p.drops[kind] > 0
	if lost {
		p.drops[kind]--
	}
	if lost || p.shown[kind] {
		p.printf("%s > %s %s%s", p.who(from), p.who(to), kind, shortly(d.Body)+when(lost, " (lost)"))
	}
	return lost
}

func (p *player) address(name string) (netip.AddrPort, error) {
	for _, n := range p.group.nodes {
		if n.name == name {
			return n.address, nil
		}
	}
	if s := p.named(name); s != nil {
		return s.address, nil
	}
	return netip.AddrPort{}, fmt.Errorf("nobody is called %q", name)
}

// named finds a station by its name, which tells apart two with one id, or else by its id.
func (p *player) named(name string) *simStation {
	for _, s := range p.all {
		if s.setup.Name == name || fmt.Sprint(s.id) == name {
			return s
		}
	}
	return nil
}

func (p *player) node(name string) *simNode {
	for _, n := range p.group.nodes {
		if n.name == name {
			return n
		}
	}
	return nil
}

func (p *player) command(name string, args []string) error {
	arg := func(i int) string {
		if i < len(args) {
			return args[i]
		}
		return ""
	}
	number := func(i int) uint64 {
		n, _ := strconv.ParseUint(arg(i), 10, 64)
		return n
	}
	switch name {
	case "centre":
		p.centre(chantable.ID(number(0)), uint8(number(1)), func(s *CentreSetup) {
			for i, a := range args {
				if a == "unicast" {
					s.Multicast = netip.AddrPort{}
				}
				if a == "others" {
					s.Others = p.groups[slices.IndexFunc(p.groups, func(g *simGroup) bool { return fmt.Sprint(g.id) == arg(i+1) })].addresses
				}
			}
		})
	case "use":
		i := slices.IndexFunc(p.groups, func(g *simGroup) bool { return fmt.Sprint(g.id) == arg(0) })
		p.group = p.groups[i]
	case "station":
		return p.addStation(args)
	case "run", "skip", "commit":
		d, err := time.ParseDuration(arg(0))
		if err != nil {
			return err
		}
		switch name {
		case "run":
			p.run(d)
		case "skip":
			p.now = p.now.Add(d)
			for i := range p.events {
				p.events[i].at = p.events[i].at.Add(d)
			}
			for _, s := range p.all {
				if !s.next.IsZero() {
					s.next = time.Time{}
				}
			}
		default:
			p.group.commit = d
		}
	case "show":
		clear(p.shown)
		for _, k := range args {
			p.shown[k] = true
		}
	case "drop":
		p.drops[arg(0)] = int(number(1))
	case "cut":
		a, err := p.address(arg(0))
		if err != nil {
			return err
		}
		b, err := p.address(arg(1))
		if err != nil {
			return err
		}
		p.cuts[[2]netip.AddrPort{a, b}] = true
	case "mend":
		clear(p.cuts)
	case "elect":
		if arg(0) == "none" {
			p.group.elect(nil)
		} else {
			p.group.elect(p.node(arg(0)))
		}
	case "pause", "resume", "kill", "restart", "stats":
		return p.atNode(name, p.node(arg(0)))
	case "forget", "restore": // the last n commands are lost, on all nodes; with restore they run on meanwhile
		g := p.group
		g.log = g.log[:len(g.log)-int(number(0))]
		for _, n := range g.nodes {
			n.table, n.applied = chantable.New(), 0
			if name == "restore" {
				n.catchUp(len(g.log))
				continue
			}
			n.apply(len(g.log))
			n.begin()
		}
		if name == "forget" {
			g.elect(g.leader)
		}
	case "garbage", "wrong-key":
		n := p.node(arg(0))
		b := []byte(strings.Repeat("no datagram ", 10))
		if name == "wrong-key" {
			c, err := wire.NewCodec(wire.Keys{{ID: p.keys[0].ID, Secret: [wire.KeySize]byte{1}}})
			if err != nil {
				return err
			}
			b = c.Seal(wire.Datagram{From: 1, Session: 1, Counter: 1, Body: wire.Leave{Instance: 1001, Epoch: 9}})
		}
		n.receive(stationAddress(77), false, b)
	case "replay":
		d, ok := p.sent[strings.Join(args, " ")]
		if !ok {
			return fmt.Errorf("none was sent")
		}
		tap := p.tap
		p.tap = nil
		p.carry(d.from, []wire.Packet{{To: d.to, B: d.b}})
		p.tap = tap
	case "table":
		t := p.group.table()
		p.printf("version %d", t.Version())
		for e := range t.All() {
			p.printf("%d %s %q level %d %s, time %s%s", e.CN, entryText(e), e.Name, e.Level, e.Address, e.Time(p.now.UnixMilli()).Round(time.Second),
				when(e.Contested, fmt.Sprintf(", rival %q %s", e.Rival.Name, e.Rival.Address)))
		}
	default:
		s := p.named(arg(0))
		if s == nil {
			return fmt.Errorf("no such command, or station %q", arg(0))
		}
		return p.atStation(name, s, args[1:])
	}
	return nil
}

func (p *player) addStation(args []string) error {
	id, err := strconv.ParseUint(args[0], 10, 64)
	if err != nil {
		return err
	}
	address := stationAddress(chantable.ID(id))
	for _, a := range args[1:] {
		if text, ok := strings.CutPrefix(a, "address="); ok {
			address = netip.MustParseAddrPort(text)
		}
	}
	s := p.stationAt(chantable.ID(id), address)
	for _, a := range args[1:] {
		key, value, _ := strings.Cut(a, "=")
		n, _ := strconv.ParseUint(value, 10, 64)
		switch key {
		case "cn":
			s.setup.CN = chantable.CN(n)
		case "name":
			s.setup.Name = value
		case "level":
			s.setup.Level = uint8(n)
		case "address":
		case "instance":
			s.setup.Instance = n
		case "epoch":
			s.setup.Epoch = n - 1
		case "unicast":
			s.setup.Listens = false
		case "keeps":
			if p.mail == nil {
				p.mail = newSimMailbox(p.world)
			}
			if p.mail.commit, err = time.ParseDuration(value); err != nil {
				return err
			}
			s.mail = p.mail
		case "centres":
			g := p.groups[slices.IndexFunc(p.groups, func(g *simGroup) bool { return fmt.Sprint(g.id) == value })]
			s.setup.Centres = g.addresses
		case "node":
			s.setup.Centres = []netip.AddrPort{p.node(value).address}
		default:
			return fmt.Errorf("unknown %q", a)
		}
	}
	return nil
}

func (p *player) atNode(name string, n *simNode) error {
	if n == nil {
		return fmt.Errorf("no such node")
	}
	switch name {
	case "pause":
		n.paused = true
	case "resume":
		n.paused = false
	case "kill":
		n.core = nil
		if n.g.leader == n {
			n.g.elect(nil)
		}
	case "restart":
		n.begin()
	case "stats":
		st := n.core.Stats
		p.printf("malformed %d, wrong key %d, replayed %d, no contact %d, stale %d, misplaced %d",
			st.Malformed, st.WrongKey, st.Replayed, st.NoContact, st.Stale, st.Misplaced)
	}
	return nil
}

func (p *player) atStation(name string, s *simStation, args []string) error {
	switch name {
	case "start":
		s.begin()
	case "crash":
		s.setup.Copy, s.setup.CN = s.core.Table.Copy, s.core.Reg.CN
		s.crash()
	case "lose-file":
		s.setup.Copy, s.setup.CN = chantable.NewCopy(), 0
		s.setup.Instance = rand.New(rand.NewPCG(s.setup.Instance, 1)).Uint64() | 1
	case "deaf":
		s.deaf = true
	case "leave":
		s.core.Leave(p.now)
		s.work()
	case "move":
		a, err := netip.ParseAddrPort(args[0])
		if err != nil {
			return err
		}
		s.move(a)
	case "send":
		to, err := strconv.ParseUint(args[0], 10, 64)
		if err != nil {
			return err
		}
		payload := args[1]
		if size, err := strconv.Atoi(payload); err == nil {
			payload = strings.Repeat("x", size)
		}
		stream := wire.AnyOrder
		if len(args) > 2 {
			stream = wire.InOrder
		}
		if _, err := s.send(chantable.ID(to), payload, stream); err != nil {
			p.printf("station %d can't send: %v", s.id, err)
		}
	case "copy":
		c := s.core.Table.Copy
		p.printf("version %d of %d, complete %t", c.Floor(), c.Version(), c.Complete())
		for e := range c.All() {
			p.printf("%d %s", e.CN, entryText(e))
		}
	case "status":
		st := s.core.Stats
		p.printf("%s, cn %d: replayed %d, no contact %d, stale %d, misplaced %d, duplicates %d, resent %d", s.core.Reg.State, s.core.Reg.CN,
			st.Replayed, st.NoContact, st.Stale, st.Misplaced, st.Duplicates, st.Resent)
	default:
		return fmt.Errorf("no such command")
	}
	return nil
}
