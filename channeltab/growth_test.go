package channeltab

import (
	"bufio"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
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

// playBench is a centre of one node that is measured from outside. To each line it answers how many octets it has
// multicast, and how many in its busiest second.
func playBench(port, group int) error {
	memory := NewMemory()
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

func growthTable(points []growthPoint) string {
	text := fmt.Sprintf("Measured %s, %s, %d cores, load %s.\n\n", time.Now().UTC().Format(time.DateOnly), runtime.Version(), runtime.NumCPU(), loadAverage())
	text += "| stations | CPU of the centre | memory | Registers answered | multicast at rest | multicast, busiest second of the start | a change in half of the copies | … in every copy |\n"
	text += "|---:|---:|---:|---:|---:|---:|---:|---:|\n"
	for _, p := range points {
		text += fmt.Sprintf("| %d | %.1f %% of a core | %.0f MB | %.0f/s | %.0f kbit/s | %.0f kbit/s | %s | %s |\n", p.stations, p.cpu*100, float64(p.memory)/1e6,
			p.registers, p.kbits, p.peak, p.median.Round(time.Millisecond), p.last.Round(time.Millisecond))
	}
	return text
}

func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(b), " ")
	return one
}

// growthPicture draws three curves over the number of stations, both axes logarithmic.
func growthPicture(points []growthPoint) string {
	const width, height, left, top = 220.0, 150.0, 46.0, 34.0
	text := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d 240" font-family="sans-serif" font-size="11">`+"\n", 4*280)
	text += `<rect width="100%" height="100%" fill="white"/>` + "\n"
	for i, plot := range []struct {
		title    string
		low, top float64
		value    func(growthPoint) float64
	}{
		{"CPU of the centre, % of a core", 0.1, 100, func(p growthPoint) float64 { return p.cpu * 100 }},
		{"memory of the centre, MB", 1, 1000, func(p growthPoint) float64 { return float64(p.memory) / 1e6 }},
		{"multicast at rest, kbit/s", 1, 1000, func(p growthPoint) float64 { return p.kbits }},
		{"a change in every copy, ms", 10, 10000, func(p growthPoint) float64 { return float64(p.last.Milliseconds()) }},
	} {
		x0 := float64(i)*280 + left
		x := func(n float64) float64 { return x0 + (math.Log10(n)-2)/2*width }
		y := func(v float64) float64 {
			v = min(max(v, plot.low), plot.top)
			return top + height*(1-math.Log10(v/plot.low)/math.Log10(plot.top/plot.low))
		}
		text += fmt.Sprintf(`<text x="%.0f" y="20" font-weight="bold">%s</text>`+"\n", x0, plot.title)
		for v := plot.low; v <= plot.top*1.01; v *= 10 {
			text += fmt.Sprintf(`<path d="M%.1f %.1fh%.1f" stroke="#ddd"/><text x="%.1f" y="%.1f" text-anchor="end">%g</text>`+"\n", x0, y(v), width, x0-4, y(v)+4, v)
		}
		path := ""
		for j, p := range points {
			n := float64(p.stations)
			path += fmt.Sprintf("%c%.1f %.1f", "ML"[min(j, 1)], x(n), y(plot.value(p)))
			text += fmt.Sprintf(`<circle cx="%.1f" cy="%.1f" r="3" fill="#06c"/><text x="%.1f" y="%.1f" text-anchor="middle">%.3g</text>`+"\n", x(n), y(plot.value(p)), x(n), y(plot.value(p))-7, plot.value(p))
			text += fmt.Sprintf(`<text x="%.1f" y="%.1f" text-anchor="middle">%d</text>`+"\n", x(n), top+height+16, p.stations)
		}
		text += fmt.Sprintf(`<path d="%s" fill="none" stroke="#06c"/><text x="%.1f" y="%.1f" text-anchor="middle">stations</text>`+"\n", path, x0+width/2, top+height+32)
	}
	return text + "</svg>\n"
}

// rewriteSection replaces what stands between two marks of a document.
func rewriteSection(t *testing.T, file, name, text string) {
	t.Helper()
	doc, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->\n"
	head, rest, ok := strings.Cut(string(doc), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no section %q", file, name)
	}
	if err := os.WriteFile(file, []byte(head+begin+text+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}
