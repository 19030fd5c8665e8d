package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fepha/fepha/cluster"
	"github.com/fepha/fepha/configs"
)

// verdict holds a line to what is expected: what is wrong or doubtful says what to do, what is good doesn't.
func verdict(t *testing.T, name string, l Line, want Verdict, words string) {
	t.Helper()
	if l.Verdict != want || !strings.Contains(l.Text, words) {
		t.Errorf("%s: %s, %q, want %s with %q", name, l.Verdict, l.Text, want, words)
	}
	if bad := want == Wrong || want == Doubtful; bad == (l.Advice == "") {
		t.Errorf("%s: %s with the advice %q", name, l.Verdict, l.Advice)
	}
	if (want == Unchecked) != strings.HasPrefix(l.Text, "not checked: ") {
		t.Errorf("%s: %s says %q", name, l.Verdict, l.Text)
	}
	if strings.Contains(l.Text, "%!") {
		t.Errorf("%s: %q", name, l.Text)
	}
}

var errTrial = errors.New("trial")

func TestNode(t *testing.T) {
	p := process{pid: 7, name: "fepha"}
	verdict(t, "answers", checkNode("fep1", "/d", p, true, nil), Good, "pid 7, fepha")
	verdict(t, "answers unseen", checkNode("fep1", "/d", process{}, false, nil), Good, "answers")
	verdict(t, "hangs", checkNode("fep1", "/d", p, true, errTrial), Wrong, "trial")
	verdict(t, "stopped", checkNode("fep1", "/d", process{}, false, errTrial), Unchecked, "doesn't run")
}

func TestPort(t *testing.T) {
	at := netip.MustParseAddrPort("10.0.0.1:7300")
	want, now := port{"tcp", at, "x", true}, port{"tcp", at, "x", false}
	mine := process{pid: 7, name: "fepha", inodes: map[uint64]bool{5: true}}
	other := process{pid: 8, name: "nc", inodes: map[uint64]bool{6: true}}
	hidden := process{pid: 9, name: "secret"}
	all := []process{mine, other, hidden}
	held := func(inode uint64, at, state string) []socket {
		return []socket{{"tcp", netip.MustParseAddrPort(at), netip.AddrPort{}, state, inode}}
	}
	for name, c := range map[string]struct {
		port    port
		sockets []socket
		runs    bool
		want    Verdict
		words   string
	}{
		"free":                       {want, nil, false, Good, "free"},
		"free while it runs":         {want, nil, true, Wrong, "doesn't listen"},
		"not owned":                  {now, nil, true, Good, "doesn't own"},
		"its own":                    {want, held(5, "10.0.0.1:7300", tcpListen), true, Good, "held by the node (pid 7"},
		"its own on all":             {want, held(5, "0.0.0.0:7300", tcpListen), true, Good, "held by the node"},
		"another's":                  {want, held(6, "10.0.0.1:7300", tcpListen), false, Wrong, "pid 8, nc"},
		"another's on all":           {want, held(6, "[::]:7300", tcpListen), true, Wrong, "pid 8, nc"},
		"unseen":                     {want, held(99, "10.0.0.1:7300", tcpListen), false, Unchecked, "run it as root"},
		"unseen while it runs":       {want, held(99, "10.0.0.1:7300", tcpListen), true, Wrong, "can't see"},
		"another address":            {want, held(6, "10.0.0.2:7300", tcpListen), false, Good, "free"},
		"another port":               {want, held(6, "10.0.0.1:7301", tcpListen), false, Good, "free"},
		"a connection":               {want, held(6, "10.0.0.1:7300", tcpEstablished), false, Good, "free"},
		"another protocol's":         {port{"udp", at, "x", true}, held(6, "10.0.0.1:7300", tcpListen), false, Good, "free"},
		"an endpoint that isn't its": {port{"udp", at, "x", false}, nil, true, Good, "doesn't own"},
	} {
		running := process{}
		if c.runs {
			running = mine
		}
		verdict(t, name, checkPort(c.port, c.sockets, all, running, c.runs), c.want, c.words)
	}
}

func TestAddress(t *testing.T) {
	all := []networkInterface{{"lo", true, []netip.Addr{netip.MustParseAddr("127.0.0.1")}},
		{"eth0", true, []netip.Addr{netip.MustParseAddr("10.0.0.1")}}, {"eth1", false, []netip.Addr{netip.MustParseAddr("10.1.0.1")}}}
	for text, c := range map[string]struct {
		want  Verdict
		words string
	}{"10.0.0.1": {Good, "on eth0"}, "10.1.0.1": {Wrong, "eth1"}, "10.2.0.1": {Wrong, "no interface"},
		"0.0.0.0": {Good, "every interface"}, "127.0.0.5": {Good, "on lo"}} {
		verdict(t, text, checkAddress(netip.MustParseAddr(text), "API", all), c.want, c.words)
	}
	all[0].up = false
	verdict(t, "no lo", checkAddress(netip.MustParseAddr("127.0.0.5"), "API", all), Wrong, "no interface")
	verdict(t, "lo down", checkAddress(netip.MustParseAddr("127.0.0.1"), "API", all), Wrong, "down")
}

func TestMemory(t *testing.T) {
	const g = 1 << 30
	verdict(t, "ample", checkMemory(g, memory{8 * g, 4 * g}, false), Good, "8.0 GiB")
	verdict(t, "little available", checkMemory(g, memory{8 * g, g / 2}, false), Doubtful, "512 MiB available")
	verdict(t, "it has taken it", checkMemory(g, memory{8 * g, g / 2}, true), Good, "")
	verdict(t, "nearly none", checkMemory(g, memory{8 * g, g / 8}, true), Doubtful, "")
	verdict(t, "small", checkMemory(g, memory{g + g/2, g}, false), Doubtful, "")
	verdict(t, "too small", checkMemory(g, memory{g / 2, g / 2}, false), Wrong, "takes about 1.0 GiB")
	verdict(t, "unknown", checkMemory(g, memory{}, false), Unchecked, "")
}

func TestFileLimit(t *testing.T) {
	verdict(t, "ample", checkFileLimit(65536, nil, 1200), Good, "65536")
	verdict(t, "tight", checkFileLimit(2000, nil, 1200), Doubtful, "")
	verdict(t, "too low", checkFileLimit(1024, nil, 1200), Wrong, "may need 1200")
	verdict(t, "unknown", checkFileLimit(0, errTrial, 1200), Unchecked, "trial")
}

func TestSettings(t *testing.T) {
	verdict(t, "set", checkNeighbours(map[string]string{"default": "0", "eth0": "0", "lo": "212992"}, nil), Good, "")
	verdict(t, "not set", checkNeighbours(map[string]string{"default": "0", "eth1": "212992", "eth0": "1"}, nil), Doubtful, "eth0, eth1")
	verdict(t, "unknown", checkNeighbours(nil, errTrial), Unchecked, "trial")
	verdict(t, "kernel", checkKernel("6.1.0-18-amd64", nil), Good, "6.1.0")
	verdict(t, "old kernel", checkKernel("4.4.0", nil), Doubtful, "4.4.0")
	verdict(t, "too old a kernel", checkKernel("2.6.32", nil), Wrong, "3.2")
	verdict(t, "no kernel", checkKernel("", errTrial), Unchecked, "trial")
	verdict(t, "tsc", checkClockSource("tsc", nil), Good, "tsc")
	verdict(t, "hpet", checkClockSource("hpet", nil), Doubtful, "hpet")
	verdict(t, "jiffies", checkClockSource("refined-jiffies", nil), Wrong, "leases")
	verdict(t, "no source", checkClockSource("", errTrial), Unchecked, "trial")
}

func TestDisk(t *testing.T) {
	const g = 1 << 30
	verdict(t, "room", checkRoom("/d", cluster.Disk{Free: 50 * g, Size: 100 * g}, nil), Good, "50.0 GiB")
	verdict(t, "a tenth", checkRoom("/d", cluster.Disk{Free: 9 * g, Size: 100 * g}, nil), Doubtful, "")
	verdict(t, "a small disk", checkRoom("/d", cluster.Disk{Free: g, Size: 4 * g}, nil), Doubtful, "2 GiB")
	verdict(t, "a hundredth", checkRoom("/d", cluster.Disk{Free: g / 2, Size: 100 * g}, nil), Wrong, "")
	verdict(t, "unknown room", checkRoom("/d", cluster.Disk{}, errTrial), Unchecked, "trial")

	const lease = 500 * time.Millisecond
	series := func(n int, most time.Duration, slow int, slowest time.Duration) (all []time.Duration) {
		for range n - slow {
			all = append(all, most)
		}
		for range slow {
			all = append([]time.Duration{slowest}, all...)
		}
		return all
	}
	verdict(t, "fast", checkFsync("/d", series(200, time.Millisecond, 0, 0), nil, lease), Good, "p50 1ms, p99 1ms; the lease of 500ms wants a p99 of at most 67ms")
	verdict(t, "one outlier of 200", checkFsync("/d", series(200, time.Millisecond, 1, time.Second), nil, lease), Good, "p99 1ms")
	verdict(t, "a bad p99", checkFsync("/d", series(200, time.Millisecond, 4, 100*time.Millisecond), nil, lease), Doubtful, "p99 100ms")
	verdict(t, "a p99 beyond", checkFsync("/d", series(200, time.Millisecond, 4, 201*time.Millisecond), nil, lease), Wrong, "p99 201ms")
	verdict(t, "a bad p50", checkFsync("/d", series(20, 70*time.Millisecond, 0, 0), nil, lease), Wrong, "p50 70ms")
	verdict(t, "a longer lease", checkFsync("/d", series(20, 70*time.Millisecond, 0, 0), nil, time.Second), Good, "")
	verdict(t, "unwritable", checkFsync("/d", nil, errTrial, lease), Unchecked, "trial")
}

func TestPeer(t *testing.T) {
	const lease = 500 * time.Millisecond
	verdict(t, "near", checkPeer("wit", attempt{took: time.Millisecond, by: "eth0"}, lease), Good, "1ms by way of eth0")
	verdict(t, "far", checkPeer("wit", attempt{took: 60 * time.Millisecond}, lease), Doubtful, "60ms")
	verdict(t, "too far", checkPeer("wit", attempt{took: 130 * time.Millisecond}, lease), Wrong, "130ms")
	verdict(t, "stopped", checkPeer("wit", attempt{err: syscall.ECONNREFUSED}, lease), Doubtful, "refuses")
	verdict(t, "silent", checkPeer("wit", attempt{err: context.DeadlineExceeded}, lease), Wrong, "nothing answers within 3s")
	verdict(t, "answers", checkAPI("wit", attempt{took: time.Millisecond}), Good, "1ms")
	verdict(t, "API stopped", checkAPI("wit", attempt{err: syscall.ECONNREFUSED}), Doubtful, "refuses")
	verdict(t, "another CA", checkAPI("wit", attempt{err: &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}}), Wrong, "another CA")
	verdict(t, "ended", checkAPI("wit", attempt{err: &tls.CertificateVerificationError{Err: errTrial}}), Wrong, "trial")
}

func TestClock(t *testing.T) {
	synced := func(yes, known bool) func() (bool, bool) { return func() (bool, bool) { return yes, known } }
	chrony, ntp := process{name: "chronyd"}, process{name: "ntpd"}
	verdict(t, "chrony", checkTimekeeper([]process{chrony}, synced(true, true)), Good, "chronyd")
	verdict(t, "the host", checkTimekeeper(nil, synced(true, true)), Good, "by whom isn't seen")
	verdict(t, "two", checkTimekeeper([]process{chrony, ntp}, synced(true, true)), Doubtful, "chronyd and ntpd")
	verdict(t, "deaf", checkTimekeeper([]process{chrony}, synced(false, true)), Doubtful, "sources don't answer")
	verdict(t, "nobody", checkTimekeeper(nil, synced(false, true)), Doubtful, "nothing keeps")
	verdict(t, "unknown", checkTimekeeper([]process{chrony}, synced(false, false)), Unchecked, "")

	dated := func(off time.Duration) answer {
		return answer{offset: off, within: 600 * time.Millisecond, dated: true}
	}
	verdict(t, "measured", checkOffset("wit", 10*time.Millisecond, true, answer{}), Good, "10ms")
	verdict(t, "measured doubtful", checkOffset("wit", -60*time.Millisecond, true, answer{}), Doubtful, "-60ms")
	verdict(t, "measured wrong", checkOffset("wit", 110*time.Millisecond, true, dated(0)), Wrong, "110ms")
	verdict(t, "dated, within", checkOffset("wit", 0, false, dated(500*time.Millisecond)), Unchecked, "600ms")
	verdict(t, "dated, off", checkOffset("wit", 0, false, dated(-2*time.Second)), Wrong, "-2s")
	verdict(t, "silent", checkOffset("wit", 0, false, answer{}), Unchecked, "doesn't answer")
}

func TestDevice(t *testing.T) {
	l := link{rtu: 1, name: "incomer", channel: 2, address: netip.MustParseAddrPort("10.3.0.1:2404")}
	told := func(s string) map[string]string {
		return map[string]string{"address": "10.3.0.1:2404", "fep1": s, "fep2": "active"}
	}
	verdict(t, "active", checkToldLink(l, "fep1", told("active")), Good, "fep1: active, fep2: active")
	verdict(t, "standby", checkToldLink(l, "fep1", told("standby")), Good, "")
	verdict(t, "connecting", checkToldLink(l, "fep1", told("connecting")), Doubtful, "")
	verdict(t, "down", checkToldLink(l, "fep1", told("down")), Wrong, "fep1: down")
	verdict(t, "untold", checkToldLink(l, "fep1", told("")), Unchecked, "")
	off := l
	off.probe = configs.ProbeOff
	verdict(t, "not probed", checkToldLink(off, "fep1", told("down")), Unchecked, "standby_probe")
	verdict(t, "held", checkHeldLink(l, process{pid: 7, name: "fepha"}), Good, "pid 7")
	verdict(t, "held unseen", checkHeldLink(l, process{}), Good, "can't see")
	verdict(t, "connected", checkTriedLink(l, attempt{took: time.Millisecond}), Good, "closed at once")
	verdict(t, "refused", checkTriedLink(l, attempt{err: syscall.ECONNREFUSED}), Wrong, "refuses")
	verdict(t, "service", checkService("export", "x", attempt{took: time.Millisecond}), Good, "")
	verdict(t, "slow service", checkService("export", "x", attempt{took: 2 * time.Second}), Doubtful, "2s")
	verdict(t, "no service", checkService("export", "x", attempt{err: syscall.ECONNREFUSED}), Wrong, "")
	verdict(t, "redis", checkRedis("x", time.Millisecond, nil), Good, "")
	verdict(t, "slow redis", checkRedis("x", 2*time.Second, nil), Doubtful, "")
	verdict(t, "no redis", checkRedis("x", 0, errTrial), Wrong, "trial")
}

func TestCentre(t *testing.T) {
	group := []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}
	all := []networkInterface{{"eth0", true, []netip.Addr{netip.MustParseAddr("10.0.0.1")}}}
	way := func(netip.Addr) (netip.Addr, error) { return netip.MustParseAddr("10.0.0.1"), nil }
	none := func(netip.Addr) (netip.Addr, error) { return netip.Addr{}, syscall.ENETUNREACH }
	verdict(t, "connected", checkCentre("occ", group, []string{"10.9.0.5:4000"}, none, all), Good, "10.9.0.5")
	verdict(t, "away", checkCentre("occ", group, nil, way, all), Unchecked, "by way of eth0")
	verdict(t, "no route", checkCentre("occ", group, nil, none, all), Wrong, "10.9.0.0/16")
	port := netip.MustParseAddrPort("0.0.0.0:2404")
	from := func(local, remote, state string) socket {
		return socket{"tcp", netip.MustParseAddrPort(local), netip.MustParseAddrPort(remote), state, 1}
	}
	got := clients([]socket{from("10.0.0.1:2404", "10.9.0.5:4000", tcpEstablished), from("10.0.0.1:2404", "10.8.0.5:4000", tcpEstablished),
		from("10.0.0.1:2405", "10.9.0.6:4000", tcpEstablished), from("10.0.0.1:2404", "10.9.0.7:4000", "06")}, port, group)
	if len(got) != 1 || got[0] != "10.9.0.5:4000" {
		t.Errorf("clients: %q", got)
	}
}

func TestPermissions(t *testing.T) {
	files := map[string]fileFacts{"/": {0o755, 0, 0}, "/etc": {0o755, 0, 0}, "/etc/fepha": {0o770, 0, 7}, "/etc/fepha/key": {0o640, 0, 7},
		"/etc/fepha/mine": {0o600, 0, 0}, "/root": {0o700, 0, 0}, "/root/key": {0o644, 0, 0},
		"/var": {0o750, 5, 5}, "/open": {0o755, 5, 5}, "/foreign": {0o750, 0, 0}}
	look := func(path string) (fileFacts, error) {
		f, ok := files[path]
		if !ok {
			return f, &fs.PathError{Op: "stat", Path: path, Err: fs.ErrNotExist}
		}
		return f, nil
	}
	service := account{"fepha", 5, []int{5, 7}}
	verdict(t, "group", checkReadable("/etc/fepha/key", service, look), Good, "")
	verdict(t, "root's", checkReadable("/etc/fepha/mine", service, look), Wrong, "0600")
	verdict(t, "closed folder", checkReadable("/root/key", service, look), Wrong, "can't enter /root")
	verdict(t, "root may", checkReadable("/root/key", account{name: "root"}, look), Good, "")
	verdict(t, "missing", checkReadable("/etc/fepha/none", service, look), Unchecked, "")
	verdict(t, "data", checkDataDir("/var", service, look), Good, "")
	verdict(t, "open data", checkDataDir("/open", service, look), Doubtful, "0755")
	verdict(t, "foreign data", checkDataDir("/foreign", service, look), Wrong, "can't write")
	verdict(t, "no data", checkDataDir("/none", service, look), Unchecked, "")
}

func TestConfiguration(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "none.yaml")
	_, err := configs.Load(missing)
	verdict(t, "missing", checkConfiguration(missing, nil, err)[0], Wrong, "")
	broken := filepath.Join(dir, "broken.yaml")
	if err := os.WriteFile(broken, []byte("station: {id: 0, nmae: x}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = configs.Load(broken)
	lines := checkConfiguration(broken, nil, err)
	if len(lines) < 2 {
		t.Errorf("of several errors %d are told", len(lines))
	}
	for _, l := range lines {
		verdict(t, "broken", l, Wrong, "broken.yaml")
	}
	about := configs.Error{File: "station.yaml", Problem: "tls/ca.pem is not there"}
	verdict(t, "file", checkFiles(&configs.Station{}, []configs.Error{about}, nil)[0], Wrong, "tls/ca.pem")
	verdict(t, "file's warning", checkFiles(&configs.Station{}, nil, []configs.Error{about})[0], Doubtful, "tls/ca.pem")
	verdict(t, "files", checkFiles(&configs.Station{Named: make([]configs.NamedFile, 3)}, nil, nil)[0], Good, "3 files")
}

// The worst counts, and what wasn't checked is neither good nor bad.
func TestWorst(t *testing.T) {
	r := Report{Lines: []Line{{Verdict: Good}, {Verdict: Unchecked}}}
	for _, want := range []Verdict{Unchecked, Doubtful, Wrong} {
		r.Lines = append(r.Lines, Line{Verdict: want}, Line{Verdict: Good})
		if got := r.Worst(); got != want {
			t.Errorf("worst is %s, want %s", got, want)
		}
	}
	if (Report{Lines: []Line{{Verdict: Good}}}).Worst() != Good {
		t.Error("what is all good isn't")
	}
}
