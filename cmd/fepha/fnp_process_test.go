package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fepha/fepha/cmd/fepha/internal/fnpcmd"
)

// stationProcess is a `fepha fnp station` that a test talks to.
type stationProcess struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   io.WriteCloser
	errs bytes.Buffer
	done chan struct{}

	mu     sync.Mutex
	events []fnpcmd.StationEvent
}

func startStation(t *testing.T, file string) *stationProcess {
	t.Helper()
	p := &stationProcess{t: t, cmd: exec.Command(binary, "fnp", "station", "--config", file, "--json"), done: make(chan struct{})}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.cmd.Stderr = &p.errs
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		p.in, err = p.cmd.StdinPipe()
	}
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		lines := bufio.NewScanner(out)
		for lines.Buffer(nil, 4<<20); lines.Scan(); {
			var e fnpcmd.StationEvent
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				t.Errorf("%s: %v", lines.Text(), err)
			}
			p.mu.Lock()
			p.events = append(p.events, e)
			p.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			p.end(syscall.SIGKILL)
		}
		if strings.Contains(p.errs.String(), "DATA RACE") {
			t.Errorf("%s: %s", file, &p.errs)
		}
	})
	return p
}

// end ends the process by a signal and waits.
func (p *stationProcess) end(s os.Signal) error {
	_ = p.cmd.Process.Signal(s)
	<-p.done
	return p.cmd.Wait()
}

// said waits for an event, counted from the n-th on, and returns it.
func (p *stationProcess) said(n int, what string, is func(fnpcmd.StationEvent) bool) (e fnpcmd.StationEvent) {
	p.t.Helper()
	until(p.t, what, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		n = min(n, len(p.events))
		i := slices.IndexFunc(p.events[n:], is)
		if i >= 0 {
			e = p.events[n+i]
		}
		return i >= 0
	})
	return e
}

// tell gives the station a line and waits for the event that answers it.
func (p *stationProcess) tell(answer, line string, args ...any) fnpcmd.StationEvent {
	p.t.Helper()
	p.mu.Lock()
	n := len(p.events)
	p.mu.Unlock()
	fmt.Fprintf(p.in, line+"\n", args...)
	e := p.said(n, fmt.Sprintf("%s after %q", answer, line), func(e fnpcmd.StationEvent) bool {
		return e.Event == answer || e.Event == "failed" || e.Event == "acknowledged"
	})
	if e.Event != answer {
		p.t.Fatalf("%q: %+v, want %s", line, e, answer)
	}
	return e
}

func (p *stationProcess) registered() {
	p.t.Helper()
	p.said(0, "registered", func(e fnpcmd.StationEvent) bool { return e.Event == "state" && e.State == "registered" })
}

func (p *stationProcess) received(data string) {
	p.t.Helper()
	p.said(0, fmt.Sprintf("%.20q received", data), func(e fnpcmd.StationEvent) bool { return e.Event == "received" && string(e.Data) == data })
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	untilWithin(t, 30*time.Second, what, ok)
}

// untilWithin waits for a condition that takes its time.
func untilWithin(t *testing.T, most time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(most); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v: not %s", most, what)
		}
	}
}
