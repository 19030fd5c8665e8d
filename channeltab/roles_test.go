package channeltab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fepha/fepha/channeltab/channeltabtest"
	"github.com/fepha/fepha/fsm/chantable"
)

// roleVariable makes a process of this test binary a centre or a station: see playRole.
const roleVariable = "FNP_TEST_ROLE"

// rough is for processes that lose datagrams: periods of a plant, divided by five.
var rough = Timing{
	RegisterEvery: 2 * time.Second, Silence: 6 * time.Second, RetryAfter: 200 * time.Millisecond,
	AckTimeout: 100 * time.Millisecond, Resends: 12,
}

// playRole is what a process does that TestNamespaces has started. It ends with its standard input.
func playRole(role string) int {
	var who string
	var family, n int
	_, err := fmt.Sscan(role, &who, &family, &n)
	switch {
	case err != nil:
	case who == "centre":
		err = playCentre(family)
	case who == "bench":
		err = playBench(family, n) // two ports
	default:
		err = playStation(family, n)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, role, err)
		return 1
	}
	return 0
}

// playCentre is three nodes over one table. Every 2 s the leading one is killed, another one takes over, and it is back
// a second later. It prints "killed" and which one.
func playCentre(family int) error {
	memory := channeltabtest.NewMemory()
	nodes := map[string]netip.AddrPort{}
	for host := 1; host <= 3; host++ {
		nodes[strconv.Itoa(host)] = spaceAddress(family, host, 7400)
	}
	open := func(node string) (*Centre, error) {
		return OpenCentre(CentreConfig{
			ID: 900, Level: 1, Node: node, Nodes: nodes, Multicast: spaceGroup(family),
			Keys: testKeys(), Timing: rough, Registry: memory.Node(node),
		})
	}
	centres := map[string]*Centre{}
	defer func() {
		for _, c := range centres {
			c.Close()
		}
	}()
	for node := range nodes {
		c, err := open(node)
		if err != nil {
			return err
		}
		centres[node] = c
	}
	memory.Elect("1")
	over := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); close(over) }()
	for leader := 0; ; leader++ {
		select {
		case <-over:
			return nil
		case <-time.After(2 * time.Second):
		}
		dead := strconv.Itoa(leader%3 + 1)
		centres[dead].Close()
		fmt.Println("killed", dead)
		memory.Elect(strconv.Itoa((leader+1)%3 + 1))
		select {
		case <-over:
			return nil
		case <-time.After(time.Second):
		}
		c, err := open(dead)
		if err != nil {
			return err
		}
		centres[dead] = c
	}
}

// playStation obeys: "table" prints its copy, "hears" whether multicast reaches it, "talk" sends to all others until
// "quiet".
func playStation(family, n int) error {
	var centres []netip.AddrPort
	for host := range 3 {
		centres = append(centres, spaceAddress(family, (host+n)%3+1, 7400))
	}
	s, err := OpenStation(StationConfig{
		ID: chantable.ID(n), Name: fmt.Sprint("station ", n), Listen: spaceAddress(family, 10+n, 7401), Centres: centres,
		Multicast: spaceGroup(family), Keys: testKeys(), Timing: rough,
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	defer running.Wait()
	defer s.Close()
	defer stop()
	running.Go(func() {
		for {
			m, err := s.Receive(ctx)
			if err != nil {
				return
			}
			text, _, _ := strings.Cut(string(m.Payload), ".")
			fmt.Println("got", text)
		}
	})
	var talking sync.WaitGroup
	quiet := make(chan struct{})
	talk := func(to int, stream Stream) {
		for i := 1; ; i++ {
			select {
			case <-quiet:
				return
			default:
			}
			text := fmt.Sprintf("%d to %d stream %d number %d", n, to, stream, i)
			payload := text + "." + strings.Repeat("x", i%7*1000)
			switch err := s.SendDataByID(ctx, chantable.ID(to), []byte(payload), stream); {
			case err == nil:
				fmt.Println("acknowledged", text)
			case errors.Is(err, ErrNotAcknowledged), errors.Is(err, ErrInDoubt):
				fmt.Println("failed", text, err)
			default:
				fmt.Fprintln(os.Stderr, text, err)
				return
			}
		}
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		switch lines.Text() {
		case "table":
			entries := s.Table()
			line := fmt.Sprintf("table of %d", len(entries))
			for _, e := range entries {
				line += fmt.Sprintf(" %d:%d:%s:%s", e.CN, e.ID, e.Address, map[bool]string{true: "on", false: "off"}[e.Online])
			}
			fmt.Println(line)
		case "talk":
			for to := 1; to <= spaceStations; to++ {
				if to != n {
					talking.Go(func() { talk(to, AnyOrder) })
					talking.Go(func() { talk(to, InOrder) })
				}
			}
		case "quiet":
			close(quiet)
			talking.Wait()
			fmt.Println("quiet now")
		case "hears":
			fmt.Println("hears", s.Status().Hears)
		}
	}
	return nil
}

// playBench is a centre of one node that is measured from outside. To each line it answers how many octets it has
// multicast, and how many in its busiest second.
func playBench(port, group int) error {
	memory := channeltabtest.NewMemory()
	c, err := OpenCentre(CentreConfig{
		ID: 900000, Level: 1, Node: "a", Nodes: map[string]netip.AddrPort{"a": netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))},
		Multicast: MulticastConfig{Group: netip.AddrPortFrom(netip.MustParseAddr("239.255.74.10"), uint16(group)), Interface: "lo", Hops: 1},
		Keys:      testKeys(), Registry: memory.Node("a"),
	})
	if err != nil {
		return err
	}
	memory.Elect("a")
	lines := make(chan bool)
	go func() {
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			lines <- true
		}
		close(lines)
	}()
	const step = 50 * time.Millisecond
	var last [time.Second / step]uint64 // octets at the steps of the last second
	var peak uint64
	sample := time.NewTicker(step)
	defer sample.Stop()
	for i := 0; ; {
		select {
		case <-sample.C:
			octets := c.Stats().MulticastOctets
			peak = max(peak, octets-last[i])
			last[i] = octets
			i = (i + 1) % len(last)
		case _, more := <-lines:
			if !more {
				return c.Close()
			}
			fmt.Println(c.Stats().MulticastOctets, peak)
		}
	}
}
