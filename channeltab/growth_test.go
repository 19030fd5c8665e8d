package channeltab

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm/chantable"
)

var growthFlag = flag.Bool("fnp.growth", false, "measure the centre at 100, 1,000 and 10,000 stations and rewrite BENCHMARKS.md and growth.svg; takes 4 minutes")

// growthPoint is what the centre costs with some number of stations.
type growthPoint struct {
	stations  int
	cpu       float64 // of a core, with all registered and nothing changing
	memory    int     // octets resident
	kbits     float64 // multicast a second, with nothing changing
	peak      float64 // multicast in the busiest second, while all register
	median    time.Duration
	last      time.Duration // until a change is in every copy: worst of growthChanges
	registers float64       // Registers a second that the centre answers
}

const growthChanges = 20

// TestGrowth measures a centre in a process of its own, over loopback, with the timing of a plant. The stations share a
// socket in this process, so that what is measured is the centre and not ten thousand sockets.
func TestGrowth(t *testing.T) {
	if !*growthFlag {
		t.Skip("measures; run with -fnp.growth")
	}
	var points []growthPoint
	for _, n := range []int{100, 1000, 10000} {
		p := measureGrowth(t, n)
		t.Logf("%+v", p)
		points = append(points, p)
	}
	if err := os.WriteFile("growth.svg", []byte(growthPicture(points)), 0o644); err != nil {
		t.Fatal(err)
	}
	rewriteSection(t, "BENCHMARKS.md", "growth", growthTable(points))
}

// hall is a crowd of stations behind one real socket.
type hall struct {
	codec   *Codec
	sockets *sockets
	running sync.WaitGroup
	done    chan struct{}

	mu       sync.Mutex
	members  []*stationCore // id 1 first
	next     []time.Time    // when each wants to be called
	answers  int
	pages    int    // of the table, by unicast
	complete []bool // who has version
	version  uint64
	times    []time.Duration
	changed  time.Time
}

func measureGrowth(t *testing.T, n int) growthPoint {
	centre := freePort(t, "127.0.0.1:0")
	group := MulticastConfig{Group: netip.AddrPortFrom(netip.MustParseAddr("239.255.74.10"), freePort(t, "127.0.0.1:0").Port()), Interface: "lo", Hops: 1}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=bench %d %d", roleVariable, centre.Port(), group.Group.Port()), "GOMAXPROCS=2")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	// multicast returns the centre's octets so far, and in its busiest second.
	multicast := func() (octets, peak float64) {
		fmt.Fprintln(in)
		if _, err := fmt.Fscan(out, &octets, &peak); err != nil {
			t.Fatal(err)
		}
		return octets, peak
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); _ = cmd.Wait() }()

	codec, err := NewCodec(testKeys())
	if err != nil {
		t.Fatal(err)
	}
	timing, err := Timing{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	h := &hall{codec: codec, done: make(chan struct{}), complete: make([]bool, n)}
	if h.sockets, err = openSockets(netip.MustParseAddrPort("127.0.0.1:0"), group); err != nil {
		t.Fatal(err)
	}
	defer func() { close(h.done); h.sockets.close(); h.running.Wait() }()
	_ = h.sockets.own.SetReadBuffer(8 << 20)
	_ = h.sockets.group.SetReadBuffer(8 << 20)
	address := h.sockets.own.LocalAddr().(*net.UDPAddr).AddrPort()
	begun := time.Now()
	for i := range n {
		id := chantable.ID(i + 1)
		c := newStationCore(begun, stationSetup{
			id: id, instance: uint64(id), epoch: 1, name: fmt.Sprintf("station %d", id), listens: true, copy: chantable.NewCopy(),
			address: netip.AddrPortFrom(address.Addr(), address.Port()), centres: []netip.AddrPort{centre}, timing: timing, codec: codec,
			rand: rand.New(rand.NewPCG(uint64(id), 9)),
		})
		c.reg.due = begun.Add(time.Duration(c.rand.Int64N(int64(10 * time.Second))))
		h.members, h.next = append(h.members, c), append(h.next, c.reg.due)
	}
	h.running.Go(func() { read(h.sockets.own, func(from netip.AddrPort, b []byte) { h.receive(from, false, b) }) })
	h.running.Go(func() { read(h.sockets.group, func(from netip.AddrPort, b []byte) { h.receive(from, true, b) }) })
	h.running.Go(h.tick)

	p := growthPoint{stations: n}
	for deadline := time.Now().Add(2 * time.Minute); !h.allComplete(n); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d stations: not all complete after 2 minutes", n)
		}
	}
	_, peak := multicast()
	p.peak = peak * 8 / 1000
	time.Sleep(12 * time.Second) // the round that the start had sped up ends; Registers spread over their period

	octets, _ := multicast()
	answers, pages := h.received()
	cpu, since := cpuOf(t, cmd.Process.Pid), time.Now()
	time.Sleep(20 * time.Second)
	took := time.Since(since).Seconds()
	p.cpu = (cpuOf(t, cmd.Process.Pid) - cpu).Seconds() / took
	after, _ := multicast()
	p.kbits = (after - octets) * 8 / 1000 / took
	answersAfter, pagesAfter := h.received()
	p.registers = float64(answersAfter-answers) / took
	t.Logf("%d stations, 20 s at rest: %d pages by unicast", n, pagesAfter-pages)
	p.memory = residentOf(t, cmd.Process.Pid)

	for i := range growthChanges {
		h.mu.Lock()
		c := h.members[i]
		c.name = fmt.Sprintf("renamed %d", i)
		c.reg.due = time.Now()
		h.version, h.changed = c.table.copy.Version()+1, time.Now()
		clear(h.complete)
		h.act(i)
		h.mu.Unlock()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			h.mu.Lock()
			done := len(h.times) == n
			h.mu.Unlock()
			if done {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d stations: a change is not in every copy after 20 s", n)
			}
		}
		h.mu.Lock()
		slices.Sort(h.times)
		p.median, p.last = max(p.median, h.times[len(h.times)/2]), max(p.last, h.times[len(h.times)-1])
		h.times = nil
		h.mu.Unlock()
	}
	return p
}

// act does what is due at a station. It is called with mu held.
func (h *hall) act(i int) {
	c := h.members[i]
	h.next[i] = c.tick(time.Now())
	h.sockets.send(c.out)
	c.out = c.out[:0]
	h.look(i)
}

// look notes when a copy has got the version that is waited for.
func (h *hall) look(i int) {
	if h.version != 0 && !h.complete[i] && h.members[i].table.copy.Floor() >= h.version {
		h.complete[i] = true
		h.times = append(h.times, time.Since(h.changed))
	}
}

func (h *hall) tick() {
	for {
		select {
		case <-h.done:
			return
		case <-time.After(10 * time.Millisecond):
		}
		h.mu.Lock()
		now := time.Now()
		for i, due := range h.next {
			if !due.After(now) {
				h.act(i)
			}
		}
		h.mu.Unlock()
	}
}

func (h *hall) receive(from netip.AddrPort, multicast bool, b []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	d, err := h.codec.Open(b)
	if err != nil {
		return
	}
	if t, ok := d.Body.(Table); ok {
		t.Page.Entries = nil
		d.Body = t
	}
	if !multicast {
		if i := int(d.To) - 1; i >= 0 && i < len(h.members) {
			switch d.Body.(type) {
			case Answer:
				h.answers++
			case Table:
				h.pages++
			}
			h.members[i].handle(now, from, false, &d)
			h.act(i)
		}
		return
	}
	for i, c := range h.members {
		c.handle(now, from, true, &d)
		if due := c.table.due; !due.IsZero() && due.Before(h.next[i]) {
			h.next[i] = due
		}
		h.look(i)
	}
}

func (h *hall) allComplete(n int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.members {
		if c.reg.state != Registered || !c.table.copy.Complete() || c.table.copy.Version() < uint64(n) {
			return false
		}
	}
	return true
}

func (h *hall) received() (answers, pages int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.answers, h.pages
}

func cpuOf(t *testing.T, pid int) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Skip(err)
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	var user, system int64
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		t.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100
}

func residentOf(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Skip(err)
	}
	var size, resident int
	if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * syscall.Getpagesize()
}
