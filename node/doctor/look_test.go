package doctor

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"go.uber.org/goleak"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/configs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParseSockets(t *testing.T) {
	const tcp = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1C84 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0 0 10 0
   1: 0100000A:9C40 0200000A:0964 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000000000000000 20 4 30 10 -1
`
	all, err := parseSockets("tcp", tcp)
	want := []socket{
		{"tcp", netip.MustParseAddrPort("127.0.0.1:7300"), netip.MustParseAddrPort("0.0.0.0:0"), tcpListen, 4711},
		{"tcp", netip.MustParseAddrPort("10.0.0.1:40000"), netip.MustParseAddrPort("10.0.0.2:2404"), tcpEstablished, 4712},
	}
	if err != nil || !slices.Equal(all, want) {
		t.Errorf("%v, %+v", err, all)
	}
	const tcp6 = "head\n   0: 0000000000000000FFFF00000100007F:1C84 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 4713 1\n" +
		"   1: B80D0120000000000000000001000000:1C84 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 4714 1\n"
	all, err = parseSockets("tcp", tcp6)
	if err != nil || all[0].local != netip.MustParseAddrPort("127.0.0.1:7300") || all[1].local != netip.MustParseAddrPort("[2001:db8::1]:7300") {
		t.Errorf("%v, %+v", err, all)
	}
	for _, bad := range []string{"head\n short\n", strings.Replace(tcp, "0100007F", "xyz", 1), strings.Replace(tcp, "4711", "-1", 1), strings.Replace(tcp, "0100007F", "00", 1)} {
		if _, err := parseSockets("tcp", bad); err == nil {
			t.Errorf("taken: %q", bad)
		}
	}
}

// A port that this very process holds is found, and whose it is.
func TestHolder(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sockets, err := readSockets("/proc")
	if err != nil {
		t.Skip(err)
	}
	at := l.Addr().(*net.TCPAddr).AddrPort()
	line := checkPort(port{"tcp", at, "x", true}, sockets, readProcesses("/proc"), process{}, false)
	if line.Verdict != Wrong || !strings.Contains(line.Text, "doctor.test") {
		t.Errorf("%+v", line)
	}
}

// The node of a data folder is found by what it was started with.
func TestNodeOf(t *testing.T) {
	all := []process{
		{pid: 1, args: []string{"fepha", "status", "--data-dir", "/d/fep1"}},
		{pid: 2, args: []string{"/usr/bin/fepha", "node", "--id", "fep2", "--data-dir=/d/fep2"}},
		{pid: 3, dir: "/d", args: []string{"fepha", "node", "--data-dir", "fep1"}},
	}
	for dir, want := range map[string]int{"/d/fep1": 3, "/d/fep2": 2, "/d/fep2/": 2, "/d/wit": 0} {
		if p, ok := nodeOf(all, dir); p.pid != want || ok != (want != 0) {
			t.Errorf("%s: %v", dir, p)
		}
	}
}

func TestReadLimits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "limits")
	if err := os.WriteFile(path, []byte("Limit                     Soft Limit           Hard Limit           Units\nMax open files            1024                 65536                files\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := readFileLimit(path); n != 1024 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readFileLimit(path); err == nil {
		t.Error("an empty file is taken")
	}
	if m := readMemory(t.TempDir()); m != (memory{}) {
		t.Errorf("of no meminfo: %+v", m)
	}
}

// device is one that counts who connects.
type device struct {
	net.Listener
	connections atomic.Int32
}

func newDevice(t *testing.T) *device {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &device{Listener: l}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			d.connections.Add(1)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return d
}

// No device is connected to that the group or this machine has a link to, or that can't bear it while another node runs.
func TestDevicesAreNotDisturbed(t *testing.T) {
	d := newDevice(t)
	at := d.Addr().(*net.TCPAddr).AddrPort()
	station := func(probe configs.StandbyProbe) *configs.Station {
		return &configs.Station{RTUs: []configs.RTU{{Number: 1, StandbyProbe: probe, Channels: []configs.Channel{{Links: []configs.Link{{Address: at}}}}}}}
	}
	p := &patient{Options: Options{Node: "fep2"}, station: station(configs.ProbeConnect), statusErr: errors.New("doesn't run")}
	look := func(othersRun bool) Line { return p.devices(t.Context(), othersRun)[0] }

	p.sockets = []socket{{protocol: "tcp", remote: at, state: tcpEstablished, inode: 3}}
	verdict(t, "held by this machine", look(false), Good, "already")
	p.sockets = nil

	p.station = station(configs.ProbeOff)
	verdict(t, "perhaps held by another node", look(true), Unchecked, "standby_probe")

	p.station, p.statusErr = station(configs.ProbeConnect), nil
	p.status = api.Status{RTUs: []api.RTUStatus{{Channels: []api.ChannelStatus{{Links: []map[string]string{{"address": at.String(), "fep1": "active", "fep2": "standby"}}}}}}}
	verdict(t, "told by the group", look(true), Good, "the group says")
	if n := d.connections.Load(); n != 0 {
		t.Fatalf("%d connections were made to a device that has its link", n)
	}

	p.statusErr = errors.New("doesn't run")
	verdict(t, "nobody has it", look(true), Good, "closed at once")
	for d.connections.Load() == 0 {
		if t.Context().Err() != nil {
			t.Fatal("none was tried where none is held")
		}
		time.Sleep(time.Millisecond)
	}
	p.station = station(configs.ProbeOff)
	verdict(t, "nobody runs", look(false), Good, "closed at once")
}

func TestConnect(t *testing.T) {
	d := newDevice(t)
	if a := connect(t.Context(), d.Addr().String()); a.err != nil || a.by != "lo" {
		t.Errorf("%+v", a)
	}
	_ = d.Close()
	if a := connect(t.Context(), d.Addr().String()); !errors.Is(a.err, syscall.ECONNREFUSED) {
		t.Errorf("%+v", a)
	}
	for err, want := range map[error]string{
		context.DeadlineExceeded: "nothing answers",
		&net.OpError{Op: "dial", Err: &os.SyscallError{Syscall: "connect", Err: syscall.ENETUNREACH}}: "no way to it",
		&net.DNSError{Name: "db", Err: "no such host", IsNotFound: true}:                              "no such host",
		errTrial: "trial",
	} {
		if text, advice := failure(err); !strings.Contains(text, want) || advice == "" {
			t.Errorf("%v: %q, %q", err, text, advice)
		}
	}
}

// The date of an answer bounds the difference of two clocks.
func TestAsk(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat))
	}))
	defer s.Close()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	a := ask(t.Context(), c, s.URL)
	if a.err != nil || !a.dated || (a.offset+time.Minute).Abs() > a.within+time.Second {
		t.Errorf("%+v", a)
	}
	verdict(t, "a minute behind", checkOffset("wit", 0, false, a), Wrong, "ahead of this machine's, give or take")
}

func TestRedis(t *testing.T) {
	s := miniredis.RunT(t)
	s.RequireAuth("right")
	password := filepath.Join(t.TempDir(), "password")
	p := &patient{station: &configs.Station{Redis: configs.Redis{Mode: "shared", Address: s.Addr(), PasswordFile: configs.File{Name: "p", Path: password}}}}
	look := func() Line { return p.redis(t.Context())[0] }
	set := func(text string) {
		if err := os.WriteFile(password, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set("right\n")
	verdict(t, "right", look(), Good, "answers")
	set("wrong\n")
	verdict(t, "wrong password", look(), Wrong, "refuses the password")
	set("")
	verdict(t, "no password", look(), Wrong, "NOAUTH")
	s.Close()
	verdict(t, "gone", look(), Wrong, "refuses")
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	me := account{"me", os.Getuid(), []int{os.Getgid()}}
	if l := checkFolder("export", "x", dir, me, nil); l.Verdict == Wrong || l.Check != "export" {
		t.Errorf("%+v", l)
	}
	verdict(t, "missing", checkFolder("export", "x", filepath.Join(dir, "none"), me, nil), Wrong, "no such folder")
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	verdict(t, "closed", checkFolder("export", "x", dir, account{"other", 4711, nil}, nil), Wrong, "can't write")
	verdict(t, "whose", checkFolder("export", "x", dir, me, errTrial), Unchecked, "trial")
	_ = os.Chmod(dir, 0o700)
}

// What the measurement leaves behind is nothing.
func TestMeasureFsync(t *testing.T) {
	dir := t.TempDir()
	took, err := measureFsync(t.Context(), dir)
	left, _ := os.ReadDir(dir)
	if err != nil || len(took) == 0 || len(left) != 0 {
		t.Errorf("%d writes, %v, %v", len(took), err, left)
	}
	if _, err := measureFsync(t.Context(), filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that isn't there can be written to")
	}
}

// The examples are looked at as a whole, before anything is installed: what isn't there is told, and nothing is left.
func TestRun(t *testing.T) {
	if _, err := exec.LookPath("true"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	r := Run(t.Context(), Options{File: "../../configs/examples/station.yaml", Node: "fep1", DataDir: filepath.Join(dir, "fep1")})
	checks := map[string]bool{}
	for _, l := range r.Lines {
		checks[l.Check] = true
		verdict(t, l.Check+" "+l.About, l, l.Verdict, "")
	}
	for _, want := range []string{"configuration", "certificates", "permissions", "node", "address", "port", "room", "fsync", "memory",
		"files", "sysctl", "kernel", "clock source", "peer", "time source", "clock", "device", "centre"} {
		if !checks[want] {
			t.Errorf("nothing of %s", want)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	r = Run(t.Context(), Options{File: "../../configs/examples/station.yaml", Node: "fep9"})
	if r.Worst() != Wrong || len(r.Lines) != 2 {
		t.Errorf("%+v", r)
	}
}
