package rig

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// ErrNoNetwork: network namespaces can't be had here.
var ErrNoNetwork = errors.New("no network namespaces")

// A Network is a bridge with a network namespace for each of fep1, fep2, wit,
// dev (all devices), occ (the control centre) and bad (who wishes the station
// ill, if anybody does). Nothing of it is in the namespace of this process.
type Network struct {
	spaces map[string]*namespace
	bridge *namespace

	forward rules                 // on the bridge
	inside  map[string]*rules     // of each host itself
	slow    map[string]*slowCable // by the host at its end
}

// hosts are the namespaces with their addresses in 10.91.2.0/24, which is
// taken nowhere but in them.
var hosts = []struct{ name, address string }{
	{"fep1", "10.91.2.66"}, {"fep2", "10.91.2.67"}, {"wit", "10.91.2.68"}, {"dev", "10.91.2.71"}, {"occ", "10.91.2.81"},
	{"bad", "10.91.2.91"},
}

// hostAddress is a host's address.
func hostAddress(name string) string {
	for _, h := range hosts {
		if h.name == name {
			return h.address
		}
	}
	return ""
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
	bridge, err := addNamespace(prefix + "br")
	if err != nil {
		return err
	}
	n.bridge = bridge
	if err := bridge.ip("link", "add", "name", "br0", "type", "bridge"); err != nil {
		return err
	}
	if err := bridge.ip("link", "set", "br0", "up"); err != nil {
		return err
	}
	for _, h := range hosts {
		s, err := addNamespace(prefix + h.name)
		if err != nil {
			return err
		}
		n.spaces[h.name] = s
		for _, step := range []struct {
			in   *namespace
			args string
		}{
			{bridge, "link add name " + h.name + " type veth peer name eth0 netns " + s.name},
			{bridge, "link set dev " + h.name + " master br0 up"},
			{s, "link set dev lo up"},
			{s, "link set dev eth0 up"},
			{s, "address add " + h.address + "/24 dev eth0"},
		} {
			if err := step.in.ip(strings.Fields(step.args)...); err != nil {
				return err
			}
		}
	}
	for _, fep := range []string{"fep1", "fep2"} {
		if err := n.spaces[fep].keepNewestUnresolved(); err != nil {
			return err
		}
	}
	n.forward = rules{in: bridge, family: "bridge", chains: []string{"forward"}}
	for _, h := range hosts {
		n.inside[h.name] = &rules{in: n.spaces[h.name], family: "inet", chains: []string{"input", "output"}}
	}
	return errors.Join(n.forward.set(""), n.inside["dev"].set("")) // says now if the kernel can't
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
	if n.bridge != nil {
		errs = append(errs, n.bridge.remove())
	}
	return errors.Join(errs...)
}

// Plug connects a host's cable, or pulls it out.
func (n *Network) Plug(host string, in bool) error {
	state := "down"
	if in {
		state = "up"
	}
	return n.bridge.ip("link", "set", "dev", host, state)
}

// Mute drops what a host sends, or stops doing so. No host is told.
func (n *Network) Mute(host string, on bool) error {
	return n.forward.set("mute "+host, when(on, "forward iifname "+host+" drop")...)
}

// Deafen drops what is sent to a host, or stops doing so.
func (n *Network) Deafen(host string, on bool) error {
	return n.forward.set("deafen "+host, when(on, "forward oifname "+host+" drop")...)
}

// Cut drops what a host sends and what is sent to it, or stops doing so.
func (n *Network) Cut(host string, on bool) error {
	return n.forward.set("cut "+host, when(on, "forward iifname "+host+" drop", "forward oifname "+host+" drop")...)
}

// Lose drops a share of the packets from and to a host, in percent; 0: none.
func (n *Network) Lose(host string, percent int) error {
	share := fmt.Sprintf("numgen random mod 100 < %d drop", percent)
	return n.forward.set("lose "+host, when(percent > 0, "forward iifname "+host+" "+share, "forward oifname "+host+" "+share)...)
}

// Refuse answers what a host sends to the devices with a reset, as a firewall
// does, or stops doing so. The devices aren't told.
func (n *Network) Refuse(host string, on bool) error {
	return n.inside["dev"].set("refuse "+host, when(on, "input ip saddr "+hostAddress(host)+" meta l4proto tcp reject with tcp reset")...)
}

// DropField drops what passes between a node and the devices, or stops doing so: its cable to the field is pulled beyond the
// next switch. Nobody is told.
func (n *Network) DropField(node string, on bool) error {
	own, devices := hostAddress(node), hostAddress("dev")
	return n.forward.set("field "+node, when(on,
		"forward ip saddr "+own+" ip daddr "+devices+" drop",
		"forward ip saddr "+devices+" ip daddr "+own+" drop")...)
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
func (n *Network) Delay(host string, by time.Duration) (err error) {
	if c := n.slow[host]; c != nil {
		delete(n.slow, host)
		err = c.remove()
	}
	if by == 0 || err != nil {
		return err
	}
	c, err := newSlowCable(n.bridge, host, by)
	if err == nil {
		n.slow[host] = c
	}
	return err
}
