package channeltab

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fepha/fepha/channeltab/channeltabtest"
	"github.com/fepha/fepha/internal/docsection"
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
	if err := docsection.Replace("BENCHMARKS.md", "growth", growthTable(points)); err != nil {
		t.Fatal(err)
	}
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

	fleet, err := channeltabtest.OpenFleet(channeltabtest.FleetConfig{
		Stations: n, First: 1, Spread: 10 * time.Second, Centres: []netip.AddrPort{centre}, Multicast: group, Keys: testKeys(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer fleet.Close()

	p := growthPoint{stations: n}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if err := fleet.Complete(ctx); err != nil {
		t.Fatal(err)
	}
	_, peak := multicast()
	p.peak = peak * 8 / 1000
	time.Sleep(12 * time.Second) // the round that the start had sped up ends; Registers spread over their period

	octets, _ := multicast()
	answers, pages := fleet.Received()
	cpu, since := cpuOf(t, cmd.Process.Pid), time.Now()
	time.Sleep(20 * time.Second)
	took := time.Since(since).Seconds()
	p.cpu = (cpuOf(t, cmd.Process.Pid) - cpu).Seconds() / took
	after, _ := multicast()
	p.kbits = (after - octets) * 8 / 1000 / took
	answersAfter, pagesAfter := fleet.Received()
	p.registers = float64(answersAfter-answers) / took
	t.Logf("%d stations, 20 s at rest: %d pages by unicast", n, pagesAfter-pages)
	p.memory = residentOf(t, cmd.Process.Pid)

	for i := range growthChanges {
		times, err := fleet.Rename(ctx, i, fmt.Sprintf("renamed %d", i))
		if err != nil {
			t.Fatal(err)
		}
		p.median, p.last = max(p.median, times[len(times)/2]), max(p.last, times[len(times)-1])
	}
	return p
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
