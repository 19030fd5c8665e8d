package main

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fepha/fepha/cmd/fepha/internal/cli"
)

// unit is the systemd unit that scripts/install installs.
const unit = "../../scripts/systemd/fepha@.service"

// unitSettings are the values of a key of the unit, of all lines that set it.
func unitSettings(t *testing.T, key string) (values []string) {
	t.Helper()
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok && k == key {
			values = append(values, strings.Fields(v)...)
		}
	}
	return values
}

// loopbackStation is the example on loopback with ports that are free here.
func loopbackStation(t *testing.T) (config string) {
	t.Helper()
	config = filepath.Join(exampleStation(t), "station.yaml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	var taken []net.Listener // all at once, so that no port comes twice
	text = regexp.MustCompile(`127\.0\.0\.1:[0-9]+`).ReplaceAllFunc(text, func([]byte) []byte {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, l)
		return []byte(l.Addr().String())
	})
	for _, l := range taken {
		_ = l.Close()
	}
	if err := os.WriteFile(config, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return config
}

// nodeProcess is a `fepha node` that a test runs by itself.
type nodeProcess struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan struct{} // closed once its output has ended

	mu  sync.Mutex
	log strings.Builder
}

func startNode(t *testing.T, config, id string, env ...string) *nodeProcess {
	t.Helper()
	if testing.Short() {
		t.Skip("end-to-end")
	}
	p := &nodeProcess{t: t, done: make(chan struct{})}
	p.cmd = exec.Command(binary, "node", "--config", config, "--id", id, "--data-dir", filepath.Join(filepath.Dir(config), "data-"+id))
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := p.cmd.StderrPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		lines := bufio.NewScanner(out)
		for lines.Buffer(nil, 1<<20); lines.Scan(); {
			p.mu.Lock()
			p.log.WriteString(lines.Text() + "\n")
			p.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			p.end(syscall.SIGKILL)
		}
		if log := p.said(); t.Failed() {
			t.Logf("%s:\n%s", id, log[max(0, len(log)-6000):])
		} else if strings.Contains(log, "DATA RACE") {
			t.Errorf("%s:\n%s", id, log)
		}
	})
	return p
}

// said is what it has logged so far.
func (p *nodeProcess) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// says waits until it has logged a text.
func (p *nodeProcess) says(text string) {
	p.t.Helper()
	until(p.t, "the node to say "+text, func() bool { return strings.Contains(p.said(), text) })
}

// end sends it a signal and returns its exit code, -1 if the signal killed it.
func (p *nodeProcess) end(s os.Signal) int {
	_ = p.cmd.Process.Signal(s)
	return p.ended()
}

// ended waits for its end and returns its exit code.
func (p *nodeProcess) ended() int {
	<-p.done
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

// What systemd does when a node ends, by the code that it ends with: one that
// crashes is started again, one with a wrong configuration is not.
func TestUnitRestartsWhatMayGetWell(t *testing.T) {
	config := loopbackStation(t)
	stays := unitSettings(t, "RestartPreventExitStatus")
	again := func(code int) bool { return code >= 0 && !slices.Contains(stays, strconv.Itoa(code)) }
	if restart := unitSettings(t, "Restart"); !slices.Equal(restart, []string{"always"}) {
		t.Errorf("Restart=%s", restart)
	}

	p := startNode(t, config, "fep1")
	p.says("node started")
	if code := p.end(syscall.SIGABRT); !again(code) || !strings.Contains(p.said(), "goroutine ") {
		t.Errorf("a node that crashes ends with %d, and the unit leaves it down after %s", code, stays)
	}
	p = startNode(t, config, "fep3")
	if code := p.ended(); code != cli.ExitConfig || again(code) {
		t.Errorf("a node with an id that station.yaml does not have ends with %d, and the unit starts it again after all but %s", code, stays)
	}
	if err := os.WriteFile(config, []byte("station: {}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p = startNode(t, config, "fep1")
	if code := p.ended(); code != cli.ExitConfig || again(code) {
		t.Errorf("a node with a wrong station.yaml ends with %d, and the unit starts it again after all but %s", code, stays)
	}
}

// systemd is told when a node is ready, that it goes on, and that it ends.
func TestNodeNotifiesSystemd(t *testing.T) {
	if kind := unitSettings(t, "Type"); !slices.Equal(kind, []string{"notify"}) {
		t.Errorf("Type=%s", kind)
	}
	if len(unitSettings(t, "WatchdogSec")) != 1 {
		t.Error("no WatchdogSec")
	}
	config := loopbackStation(t)
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	told := func() string {
		t.Helper()
		if err := socket.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4096)
		n, err := socket.Read(b)
		if err != nil {
			t.Fatalf("systemd is told nothing: %v", err)
		}
		return string(b[:n])
	}
	has := func(message, line string) bool { return slices.Contains(strings.Split(message, "\n"), line) }

	p := startNode(t, config, "fep1", "NOTIFY_SOCKET="+path, "WATCHDOG_USEC=400000")
	if first := told(); !has(first, "READY=1") {
		t.Errorf("told %q first, want READY=1", first)
	}
	for range 5 {
		if sign := told(); !has(sign, "WATCHDOG=1") || !strings.Contains(sign, "STATUS=") {
			t.Errorf("told %q, want WATCHDOG=1 and a status", sign)
		}
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for !has(told(), "STOPPING=1") {
	}
	if code := p.ended(); code != cli.ExitDone {
		t.Errorf("exit code %d", code)
	}
}
