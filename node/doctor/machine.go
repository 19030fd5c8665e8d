package doctor

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/node"
)

// machine looks at memory, limits, settings and the kernel.
func (p *patient) machine() (lines []Line) {
	lines = append(lines, checkMemory(node.MemoryNeed(p.station, p.self.Role), readMemory("/proc"), p.runs))
	if p.runs {
		open, err := readFileLimit(fmt.Sprintf("/proc/%d/limits", p.running.pid))
		lines = append(lines, checkFileLimit(open, err, fileNeed(p.station)))
	} else {
		lines = append(lines, unchecked("files", "", "the node doesn't run, and the limit is that of its unit (LimitNOFILE, 65536 in the one that comes with fepha)"))
	}
	if p.self.Role == configs.RoleFEP {
		settings, err := readNeighbours("/proc")
		lines = append(lines, checkNeighbours(settings, err))
	}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	lines = append(lines, checkKernel(strings.TrimSpace(string(release)), err))
	source, err := os.ReadFile("/sys/devices/system/clocksource/clocksource0/current_clocksource")
	return append(lines, checkClockSource(strings.TrimSpace(string(source)), err))
}

// memory is in octets; 0: not known.
type memory struct{ total, available int64 }

// readMemory reads /proc/meminfo; a control group's bound counts where it's less.
func readMemory(proc string) (m memory) {
	f, err := os.Open(filepath.Join(proc, "meminfo"))
	if err != nil {
		return m
	}
	defer func() { _ = f.Close() }()
	for s := bufio.NewScanner(f); s.Scan(); {
		words := strings.Fields(s.Text())
		if len(words) < 2 {
			continue
		}
		n, _ := strconv.ParseInt(words[1], 10, 64)
		switch words[0] {
		case "MemTotal:":
			m.total = n << 10
		case "MemAvailable:":
			m.available = n << 10
		}
	}
	return m
}

func checkMemory(need int64, m memory, runs bool) Line {
	const check = "memory"
	more := "give the machine more memory, or take other programs off it"
	has := fmt.Sprintf("%s of memory, %s available; the node takes about %s", size(m.total), size(m.available), size(need))
	switch {
	case m.total == 0:
		return unchecked(check, "", "/proc/meminfo doesn't tell")
	case m.total < need:
		return wrong(check, "", more, "%s", has)
	case !runs && m.available < need || m.available < need/4 || m.total < 2*need:
		return doubtful(check, "", more, "%s", has)
	}
	return good(check, "", "%s", has)
}

// size is a number of octets as one says it.
func size(octets int64) string {
	if octets < 1<<30 {
		return fmt.Sprintf("%d MiB", octets>>20)
	}
	return fmt.Sprintf("%.1f GiB", float64(octets)/(1<<30))
}

// fileNeed is how many files and sockets a node may have open at once: what the API and uplinks admit, two for each link, and the log.
func fileNeed(s *configs.Station) int {
	links := 0
	for i := range s.RTUs {
		for _, c := range s.RTUs[i].Channels {
			links += len(c.Links)
		}
	}
	return 1024 + 2*links + 64*len(s.Uplinks)
}

// readFileLimit is the soft limit of open files in a process's /proc/PID/limits.
func readFileLimit(path string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			if words := strings.Fields(rest); len(words) > 0 {
				return strconv.Atoi(words[0])
			}
		}
	}
	return 0, errors.New(path + " has no row of open files")
}

func checkFileLimit(open int, err error, need int) Line {
	const advice = "LimitNOFILE=65536 in the unit: systemctl edit"
	switch {
	case err != nil:
		return unchecked("files", "", "%v", err)
	case open < need:
		return wrong("files", "", advice, "the node may have %d files and sockets open, and may need %d", open, need)
	case open < 2*need:
		return doubtful("files", "", advice, "the node may have %d files and sockets open, and may need %d: there's little room for strangers", open, need)
	}
	return good("files", "", "the node may have %d files and sockets open, and needs %d at most", open, need)
}

// readNeighbours reads net.ipv4.neigh.*.unres_qlen_bytes, by interface.
func readNeighbours(proc string) (map[string]string, error) {
	files, _ := filepath.Glob(filepath.Join(proc, "sys/net/ipv4/neigh/*/unres_qlen_bytes"))
	settings := map[string]string{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		settings[filepath.Base(filepath.Dir(f))] = strings.TrimSpace(string(text))
	}
	if len(settings) == 0 {
		return nil, errors.New("this kernel has no net.ipv4.neigh.*.unres_qlen_bytes")
	}
	return settings, nil
}

// checkNeighbours: what waits for ARP must not leave late, see cluster/LEASES.md.
func checkNeighbours(settings map[string]string, err error) Line {
	if err != nil {
		return unchecked("sysctl", "unres_qlen_bytes", "%v", err)
	}
	var off []string
	for name, v := range settings {
		if v != "0" && name != "lo" {
			off = append(off, name)
		}
	}
	if len(off) == 0 {
		return good("sysctl", "unres_qlen_bytes", "0 on every interface: nothing waits for ARP")
	}
	slices.Sort(off)
	return doubtful("sysctl", "unres_qlen_bytes", "for f in /proc/sys/net/ipv4/neigh/*/unres_qlen_bytes; do echo 0 >$f; done, and /etc/sysctl.d/60-fepha.conf",
		"not 0 on %s: when a cable comes back, what an owner that is none any more had sent may still leave", strings.Join(off, ", "))
}

// oldestKernel is what fepha is tried on at least.
var oldestKernel = [2]int{4, 18}

func checkKernel(release string, err error) Line {
	var major, minor int
	if _, e := fmt.Sscanf(release, "%d.%d", &major, &minor); e != nil {
		return unchecked("kernel", "", "which it is isn't known: %v", cmp.Or(err, e))
	}
	name := fmt.Sprintf("Linux %s on %s, %d processors", release, runtime.GOARCH, runtime.NumCPU())
	switch {
	case major < 3 || major == 3 && minor < 2: // what Go needs
		return wrong("kernel", "", "a newer system", "%s: programs in Go need 3.2 at least", name)
	case major < oldestKernel[0] || major == oldestKernel[0] && minor < oldestKernel[1]:
		return doubtful("kernel", "", "a newer system", "%s: fepha isn't tried on kernels before %d.%d", name, oldestKernel[0], oldestKernel[1])
	}
	return good("kernel", "", "%s", name)
}

// checkClockSource: leases assume that a clock runs between 0.99 and 1.01 of true time (cluster/LEASES.md).
func checkClockSource(source string, err error) Line {
	switch source {
	case "":
		return unchecked("clock source", "", "which it is isn't known: %v", err)
	case "jiffies", "refined-jiffies":
		return wrong("clock source", "", "mend the machine's timers, or its hypervisor's: dmesg | grep -i clocksource", "%s: the kernel has found no clock that it trusts, and leases need one", source)
	case "hpet", "acpi_pm", "pit":
		return doubtful("clock source", "", "dmesg | grep -i tsc says why the kernel doesn't trust the processor's", "%s: each look at the clock is slow", source)
	}
	return good("clock source", "", "%s", source)
}
