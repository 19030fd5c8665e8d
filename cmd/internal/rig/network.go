package rig

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// ErrNoNetwork: network namespaces can't be had here.
var ErrNoNetwork = errors.New("no network namespaces")

// A Network is a network namespace for each of fep1, fep2, wit, dev (all devices), occ (the control centre), bad (who
// wishes the station ill, if anybody does) and good (who would suffer from that), and one with the bridges between them: the
// station's own, that to the field and that to the control centre, as three networks of a real one. Nothing of it is in the namespace of this process.
type Network struct {
	spaces  map[string]*namespace
	bridges *namespace

	forward rules                 // on the bridges
	inside  map[string]*rules     // of each host itself
	slow    map[string]*slowCable // by the port that it ends at
}

// cable leads from a host's interface to a port of a bridge. A host with several cables has ports whose names begin with its
// own.
type cable struct{ host, nic, port, bridge, address string }

// The bridges.
const (
	stationBridge = "br0"
	fieldBridge   = "field"
	centreBridge  = "centre"
)

// cables are all there are, the main one of each host first. The addresses are in networks with 24 bits, which are taken
// nowhere but in the namespaces.
var cables = []cable{
	{"fep1", "eth0", "fep1", stationBridge, "10.91.2.66"},
	{"fep1", "eth1", "fep1-field", fieldBridge, "10.91.3.66"},
	{"fep1", "eth2", "fep1-occ", centreBridge, "10.91.4.66"},
	{"fep2", "eth0", "fep2", stationBridge, "10.91.2.67"},
	{"fep2", "eth1", "fep2-field", fieldBridge, "10.91.3.67"},
	{"fep2", "eth2", "fep2-occ", centreBridge, "10.91.4.67"},
	{"wit", "eth0", "wit", stationBridge, "10.91.2.68"},
	{"dev", "eth0", "dev", fieldBridge, "10.91.3.71"},
	{"occ", "eth0", "occ", centreBridge, "10.91.4.81"},
	{"good", "eth0", "good", stationBridge, "10.91.2.90"},
	{"bad", "eth0", "bad", stationBridge, "10.91.2.91"},
}

// cablesOf are those of a host that end at one of the bridges, or all of them.
func cablesOf(host string, bridges ...string) (list []cable) {
	for _, c := range cables {
		if c.host == host && (len(bridges) == 0 || slices.Contains(bridges, c.bridge)) {
			list = append(list, c)
		}
	}
	return list
}

// hosts are all hosts.
func hosts() (names []string) {
	for _, c := range cables {
		if !slices.Contains(names, c.host) {
			names = append(names, c.host)
		}
	}
	return names
}

// hostAddress is a host's address in the network of one of the bridges, by default of its main cable.
func hostAddress(host string, bridge ...string) string { return cablesOf(host, bridge...)[0].address }

// SpareHost is a host on the station's network that is no node.
const SpareHost = "bad"

// Command is what runs a program on a host.
func (n *Network) Command(host string, program ...string) []string {
	return append([]string{"ip", "netns", "exec", n.spaces[host].name}, program...)
}

// networks counts those of this process.
var networks atomic.Uint32

// NetworkRefused says why NewNetwork can't work here; nil: it can.
func NetworkRefused() error {
	if err := asRootWith("ip", "nft"); err != nil {
		return fmt.Errorf("%w: %w", ErrNoNetwork, err)
	}
	return nil
}

// NewNetwork makes a network; Close removes it. The names bear this process's
// number, and what a process that was killed left behind is removed too. The
// error wraps ErrNoNetwork if it can't be had here.
func NewNetwork() (*Network, error) {
	if err := NetworkRefused(); err != nil {
		return nil, err
	}
	sweep()
	prefix := fmt.Sprintf("%s%d-", namePrefix(), networks.Add(1))
	n := &Network{spaces: make(map[string]*namespace), inside: make(map[string]*rules), slow: make(map[string]*slowCable)}
	if err := n.build(prefix); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrNoNetwork, err), n.Close())
	}
	return n, nil
}

func (n *Network) build(prefix string) error {
	space, err := addNamespace(prefix + "br")
	if err != nil {
		return err
	}
	n.bridges = space
	for _, bridge := range []string{stationBridge, fieldBridge, centreBridge} {
		if err := errors.Join(space.ip("link", "add", "name", bridge, "type", "bridge"), space.ip("link", "set", bridge, "up")); err != nil {
			return err
		}
	}
	for _, host := range hosts() {
		s, err := addNamespace(prefix + host)
		if err != nil {
			return err
		}
		n.spaces[host] = s
		n.inside[host] = &rules{in: s, family: "inet", chains: []string{"input", "output"}}
		if err := s.ip("link", "set", "dev", "lo", "up"); err != nil {
			return err
		}
		for _, c := range cablesOf(host) {
			if err := n.lay(c); err != nil {
				return err
			}
		}
	}
	n.forward = rules{in: space, family: "bridge", chains: []string{"forward"}}
	return errors.Join(n.forward.set(""), n.inside["dev"].set("")) // says now if the kernel can't
}

// lay lays a cable.
func (n *Network) lay(c cable) error {
	s := n.spaces[c.host]
	for _, step := range []struct {
		in   *namespace
		args string
	}{
		{n.bridges, "link add name " + c.port + " type veth peer name " + c.nic + " netns " + s.name},
		{n.bridges, "link set dev " + c.port + " master " + c.bridge + " up"},
		{s, "link set dev " + c.nic + " up"},
		{s, "address add " + c.address + "/24 dev " + c.nic},
	} {
		if err := step.in.ip(strings.Fields(step.args)...); err != nil {
			return err
		}
	}
	return s.keepNewestUnresolved(c.nic)
}

// namePrefix begins the name of each namespace that this process makes.
func namePrefix() string { return fmt.Sprintf("fepha-%d-", os.Getpid()) }

// Namespaces are the namespaces that this process has made and not removed.
func Namespaces() []string {
	names, _ := filepath.Glob(filepath.Join(runDir, namePrefix()+"*"))
	return names
}

// sweep removes the namespaces of processes that are gone.
func sweep() {
	names, _ := filepath.Glob(filepath.Join(runDir, "fepha-*-*-*"))
	for _, name := range names {
		name = filepath.Base(name)
		pid, err := strconv.Atoi(strings.Split(name, "-")[1])
		if err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = run("ip", "netns", "delete", name)
		}
	}
}

// Close removes everything. The processes in it must have ended.
func (n *Network) Close() error {
	var errs []error
	for _, c := range n.slow {
		errs = append(errs, c.remove())
	}
	for _, s := range n.spaces {
		errs = append(errs, s.remove())
	}
	if n.bridges != nil {
		errs = append(errs, n.bridges.remove())
	}
	return errors.Join(errs...)
}

// Plug connects a host's cables to some of the bridges, by default all of its cables, or pulls them out.
func (n *Network) Plug(host string, in bool, bridges ...string) error {
	state := "down"
	if in {
		state = "up"
	}
	var errs []error
	for _, c := range cablesOf(host, bridges...) {
		errs = append(errs, n.bridges.ip("link", "set", "dev", c.port, state))
	}
	return errors.Join(errs...)
}

// PlugField and PlugCentre connect a node's cable to the devices, or to the control centre, or pull it out.
func (n *Network) PlugField(node string, in bool) error  { return n.Plug(node, in, fieldBridge) }
func (n *Network) PlugCentre(node string, in bool) error { return n.Plug(node, in, centreBridge) }

// dropped are the rules that drop what comes from a host's cables to some of the bridges, by default all of its cables, what
// goes there, or both.
func dropped(host string, from, to bool, bridges ...string) (list []string) {
	for _, c := range cablesOf(host, bridges...) {
		list = append(list, when(from, "forward iifname "+c.port+" drop")...)
		list = append(list, when(to, "forward oifname "+c.port+" drop")...)
	}
	return list
}

// Mute drops what a host sends, or stops doing so. No host is told.
func (n *Network) Mute(host string, on bool) error {
	return n.forward.set("mute "+host, dropped(host, on, false)...)
}

// Deafen drops what is sent to a host, or stops doing so.
func (n *Network) Deafen(host string, on bool) error {
	return n.forward.set("deafen "+host, dropped(host, false, on)...)
}

// Cut drops what a host sends and what is sent to it, or stops doing so.
func (n *Network) Cut(host string, on bool) error {
	return n.forward.set("cut "+host, dropped(host, on, on)...)
}

// Lose drops a share of the packets from and to a host, in percent; 0: none.
func (n *Network) Lose(host string, percent int) error {
	var list []string
	for _, rule := range dropped(host, percent > 0, percent > 0) {
		list = append(list, strings.TrimSuffix(rule, "drop")+fmt.Sprintf("numgen random mod 100 < %d drop", percent))
	}
	return n.forward.set("lose "+host, list...)
}

// Refuse answers what a node sends to the devices with a reset, as a firewall does, or stops doing so. The devices aren't told.
func (n *Network) Refuse(node string, on bool) error {
	var list []string
	for _, c := range cablesOf(node, fieldBridge) {
		list = append(list, when(on, "input ip saddr "+c.address+" meta l4proto tcp reject with tcp reset")...)
	}
	return n.inside["dev"].set("refuse "+node, list...)
}

// DropField and DropCentre drop what passes between a node and the devices, or the control centre, or stop doing so: its cable
// is pulled beyond the next switch. Nobody is told.
func (n *Network) DropField(node string, on bool) error {
	return n.forward.set("field "+node, dropped(node, on, on, fieldBridge)...)
}

func (n *Network) DropCentre(node string, on bool) error {
	return n.forward.set("centre "+node, dropped(node, on, on, centreBridge)...)
}

// nodeAddresses are those of all nodes but one, as a set of the packet rules.
func nodeAddresses(but string) string {
	var list []string
	for _, id := range []string{"fep1", "fep2", "wit"} {
		if id != but {
			list = append(list, hostAddress(id))
		}
	}
	return "{ " + strings.Join(list, ", ") + " }"
}

// Split drops what passes between a node and the other nodes, or stops doing
// so. Devices and control centre reach it as ever.
func (n *Network) Split(node string, on bool) error {
	own, others := hostAddress(node), nodeAddresses(node)
	return n.forward.set("split "+node, when(on,
		"forward ip saddr "+own+" ip daddr "+others+" drop",
		"forward ip saddr "+others+" ip daddr "+own+" drop")...)
}

// RefuseNodes answers what passes between a node and the other nodes with a
// reset to who sent it, or stops doing so.
func (n *Network) RefuseNodes(node string, on bool) error {
	const reset = " tcp flags & rst != rst reject with tcp reset" // the resets themselves pass
	return n.inside[node].set("refuse", when(on,
		"input ip saddr "+nodeAddresses(node)+reset,
		"output ip daddr "+nodeAddresses(node)+reset)...)
}

func when(on bool, list ...string) []string {
	if !on {
		return nil
	}
	return list
}

// Delay delays what a host sends and what is sent to it; 0: no more.
func (n *Network) Delay(host string, by time.Duration) error {
	for _, c := range cablesOf(host) {
		if slow := n.slow[c.port]; slow != nil {
			delete(n.slow, c.port)
			if err := slow.remove(); err != nil {
				return err
			}
		}
		if by == 0 {
			continue
		}
		slow, err := newSlowCable(n.bridges, c, by)
		if err != nil {
			return err
		}
		n.slow[c.port] = slow
	}
	return nil
}
