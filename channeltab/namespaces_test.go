package channeltab

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
)

const spaceStations = 5

// spaceGroup and spaceAddress are of IPv4 or IPv6; the family is 4 or 6.
func spaceGroup(family int) MulticastConfig {
	group := map[int]string{4: "239.255.74.9:7499", 6: "[ff15::7409]:7499"}[family]
	return MulticastConfig{Group: netip.MustParseAddrPort(group)}
}

func spaceAddress(family, host, port int) netip.AddrPort {
	a := netip.AddrFrom4([4]byte{10, 77, 0, byte(host)})
	if family == 6 {
		a = netip.AddrFrom16([16]byte{0: 0xfd, 1: 0x77, 15: byte(host)})
	}
	return netip.AddrPortFrom(a, uint16(port))
}

// TestNamespaces runs stations as processes, each in a network namespace of its own, with multicast over a bridge, while
// the kernel loses datagrams and the leading node of the centre is killed again and again. Whatever was acknowledged has
// arrived, once; and when the loss ends, every copy is the same.
//
// In the last network datagrams also come twice, and overtake each other, as in TestFaults.
func TestNamespaces(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	for _, tt := range []struct{ family, percent int }{{4, 0}, {4, 10}, {4, 30}, {6, 0}} {
		t.Run(fmt.Sprintf("IPv%d, loss %d %%", tt.family, tt.percent), func(t *testing.T) {
			s := newSpace(t, tt.family)
			s.bridge()
			s.play(tt.percent, s.lose)
		})
	}
	t.Run("IPv4, loss, duplication and reordering", func(t *testing.T) {
		s := newSpace(t, 4)
		w := s.hub()
		w.begin(t, 15)
		s.play(15, func(percent int) { w.rough.Store(percent > 0) })
		if w.lost.Load() < 100 || w.twice.Load() < 100 || w.overtaken.Load() < 100 {
			t.Errorf("%d datagrams lost, %d doubled, %d overtaken: hardly any faults", w.lost.Load(), w.twice.Load(), w.overtaken.Load())
		}
	})
}

// space is a network of namespaces: the centre's, whose device is br0, and each station's, whose device is eth0.
type space struct {
	t      *testing.T
	family int
	names  []string
}

func (s *space) run(program string, args ...string) {
	s.t.Helper()
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		s.t.Fatalf("%s %s: %v: %s", program, strings.Join(args, " "), err, out)
	}
}

func newSpace(t *testing.T, family int) *space {
	t.Helper()
	s := &space{t: t, family: family}
	t.Cleanup(func() {
		for _, n := range s.names {
			if out, err := exec.Command("ip", "netns", "delete", n).CombinedOutput(); err != nil {
				t.Errorf("delete namespace %s: %v: %s", n, err, out)
			}
		}
	})
	for i := range 1 + spaceStations {
		name := fmt.Sprintf("fnp-%d-%d", os.Getpid(), i)
		if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
			t.Skipf("no network namespaces: %v: %s", err, out)
		}
		s.names = append(s.names, name)
		s.run("ip", "-n", name, "link", "set", "lo", "up")
	}
	return s
}

// bridge joins the namespaces by the kernel's bridge in the centre's.
func (s *space) bridge() {
	s.t.Helper()
	centre := s.names[0]
	s.run("ip", "-n", centre, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
	for i, name := range s.names[1:] {
		port := fmt.Sprintf("port%d", i)
		s.run("ip", "-n", centre, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name)
		s.run("ip", "-n", centre, "link", "set", port, "master", "br0", "up")
	}
	s.up()
}

// hub joins the namespaces by a hub in this process.
func (s *space) hub() *lossyHub {
	s.t.Helper()
	w := &lossyHub{}
	for i, name := range s.names {
		device := "eth0"
		if i == 0 {
			device = "br0"
		}
		w.join(s.t, name, device)
	}
	s.up()
	return w
}

// up gives the devices their addresses: the centre's the three of its nodes.
func (s *space) up() {
	s.t.Helper()
	for host := 1; host <= 3; host++ {
		s.address(s.names[0], "br0", spaceAddress(s.family, host, 0))
	}
	s.run("ip", "-n", s.names[0], "link", "set", "br0", "up")
	for i, name := range s.names[1:] {
		s.address(name, "eth0", spaceAddress(s.family, 11+i, 0))
		s.run("ip", "-n", name, "link", "set", "eth0", "up")
	}
}

func (s *space) address(namespace, device string, a netip.AddrPort) {
	args := []string{"-n", namespace, "address", "add", a.Addr().String() + "/24", "dev", device}
	if a.Addr().Is6() {
		args = append(args, "nodad") // nobody else is there, and a second of waiting tells nothing
	}
	s.run("ip", args...)
}

// lose makes each namespace lose a share of the UDP datagrams that reach it.
func (s *space) lose(percent int) {
	s.t.Helper()
	for _, n := range s.names {
		rules := "table inet fnp {}\ndelete table inet fnp\n"
		if percent > 0 {
			rules += fmt.Sprintf("table inet fnp {\nchain in {\ntype filter hook input priority 0\nmeta l4proto udp numgen random mod 100 < %d drop\n}\n}\n", percent)
		}
		cmd := exec.Command("ip", "netns", "exec", n, "nft", "-f", "-")
		cmd.Stdin = strings.NewReader(rules)
		if out, err := cmd.CombinedOutput(); err != nil {
			s.t.Skipf("no packet filter: %v: %s", err, out)
		}
	}
}

// actor is a process of this binary that plays a role in a namespace.
type actor struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	ended sync.WaitGroup

	mu    sync.Mutex
	lines []string
}

func (s *space) start(name, role string) *actor {
	s.t.Helper()
	a := &actor{t: s.t, cmd: exec.Command("ip", "netns", "exec", name, os.Args[0])}
	a.cmd.Env = append(os.Environ(), roleVariable+"="+role)
	a.cmd.Stderr = os.Stderr
	var err error
	if a.in, err = a.cmd.StdinPipe(); err != nil {
		s.t.Fatal(err)
	}
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	a.ended.Go(func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			a.mu.Lock()
			a.lines = append(a.lines, lines.Text())
			a.mu.Unlock()
		}
	})
	s.t.Cleanup(a.end)
	return a
}

func (a *actor) say(line string) { fmt.Fprintln(a.in, line) }

// said returns what follows a word in all the lines that begin with it.
func (a *actor) said(word string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var said []string
	for _, l := range a.lines {
		if rest, ok := strings.CutPrefix(l, word+" "); ok {
			said = append(said, rest)
		}
	}
	return said
}

// end ends the process by ending its standard input.
func (a *actor) end() {
	a.in.Close()
	a.ended.Wait()
	if err := a.cmd.Wait(); err != nil && !strings.Contains(err.Error(), "already called") {
		a.t.Errorf("%v: %v", a.cmd.Args, err)
	}
}

// play has the stations talk while the network is as bad as that, and judges them when it is well again.
func (s *space) play(percent int, spoil func(percent int)) {
	t := s.t
	spoil(percent)
	centre := s.start(s.names[0], fmt.Sprintf("centre %d 0", s.family))
	var stations []*actor
	for i := range spaceStations {
		stations = append(stations, s.start(s.names[1+i], fmt.Sprintf("station %d %d", s.family, i+1)))
	}
	same := func() bool {
		var all []string
		for _, a := range stations {
			told := len(a.said("table"))
			a.say("table")
			eventually(t, "told its table", func() bool { return len(a.said("table")) > told })
			said := a.said("table")
			all = append(all, said[len(said)-1])
		}
		return len(slices.Compact(all)) == 1 && strings.Count(all[0], ":on") == spaceStations
	}
	eventually(t, "all in every copy", same)
	before := len(centre.said("killed"))
	for _, a := range stations {
		a.say("talk")
	}
	eventually(t, "two leaders killed, and fifty messages acknowledged, meanwhile", func() bool {
		acked := 0
		for _, a := range stations {
			acked += len(a.said("acknowledged"))
		}
		return len(centre.said("killed")) >= before+2 && acked >= 50
	})
	for _, a := range stations {
		a.say("quiet")
	}
	spoil(0)
	eventually(t, "quiet", func() bool {
		for _, a := range stations {
			if len(a.said("quiet")) == 0 {
				return false
			}
		}
		return true
	})
	eventually(t, "all copies the same", same)
	for _, a := range stations {
		eventually(t, "multicast heard", func() bool {
			a.say("hears")
			return slices.Contains(a.said("hears"), "true")
		})
	}

	got := map[string]int{}
	for _, a := range stations {
		for _, m := range a.said("got") {
			got[m]++
		}
	}
	acked, failed := 0, 0
	for _, a := range stations {
		failed += len(a.said("failed"))
		for _, m := range a.said("acknowledged") {
			acked++
			if got[m] != 1 {
				t.Errorf("%s was acknowledged and arrived %d times", m, got[m])
			}
		}
	}
	for m, n := range got {
		if n > 1 {
			t.Errorf("%s arrived %d times", m, n)
		}
	}
	t.Logf("loss %d %%: %d messages acknowledged, %d failed, %d arrived", percent, acked, failed, len(got))
}
