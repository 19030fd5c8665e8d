package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// nodePackage is the program under test.
const nodePackage = "github.com/fepha/fepha/cmd/fepha"

// Build builds the fepha program into a folder of its own and returns its path.
//
// With a clock that can be stepped, SIGUSR1 puts the process's wall clock an
// hour forward and SIGUSR2 an hour back; the machine's clock stays. Nothing of
// the product is changed for it: the compiler is given another text of one file
// of the standard library, time/time.go, in which Now adds an offset to the
// wall reading and leaves the monotonic one alone, as a step of the machine's
// clock does, and one more file of package main, which handles the signals.
func Build(ctx context.Context, dir string, steppedClock bool) (binary string, err error) {
	binary = filepath.Join(dir, "fepha")
	args := []string{"build", "-o", binary}
	if steppedClock {
		overlay, err := clockOverlay(ctx, dir)
		if err != nil {
			return "", fmt.Errorf("a clock that can be stepped: %w", err)
		}
		args = append(args, "-overlay", overlay)
	}
	if out, err := exec.CommandContext(ctx, "go", append(args, nodePackage)...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("building fepha: %w\n%s", err, out)
	}
	return binary, nil
}

// In Now, and nowhere else, the wall reading is seconds since 1970.
const (
	clockReading = "sec, nsec, mono := runtimeNow()\n\tif mono == 0 {"
	clockStepped = "sec, nsec, mono := runtimeNow()\n\tsec += stepped\n\tif mono == 0 {"
	clockStep    = `
var stepped int64 // seconds; a torn reading can't be, it's one word

// Step moves this process's wall clock.
func Step(seconds int64) { stepped += seconds }
`
	clockSignals = `package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

func init() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		for s := range c {
			if s == syscall.SIGUSR1 {
				time.Step(3600)
			} else {
				time.Step(-3600)
			}
		}
	}()
}
`
)

// clockOverlay writes what the compiler shall see instead, and returns the file
// that says so.
func clockOverlay(ctx context.Context, dir string) (string, error) {
	where, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "time", nodePackage).Output()
	if err != nil {
		return "", fmt.Errorf("go list: %w", err)
	}
	dirs := strings.Fields(string(where))
	if len(dirs) != 2 {
		return "", fmt.Errorf("go list: %q, expected two folders", where)
	}
	original := filepath.Join(dirs[0], "time.go")
	text, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(text), clockReading); n != 1 {
		return "", fmt.Errorf("%s: %d places look like Now's reading of the clock, expected 1", original, n)
	}
	overlay := struct{ Replace map[string]string }{map[string]string{
		original:                                filepath.Join(dir, "time.go"),
		filepath.Join(dirs[1], "step_clock.go"): filepath.Join(dir, "step_clock.go"),
	}}
	list, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	for name, content := range map[string]string{
		"time.go":       strings.Replace(string(text), clockReading, clockStepped, 1) + clockStep,
		"step_clock.go": clockSignals,
		"overlay.json":  string(list),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, "overlay.json"), nil
}

// clockTimeout is how long a node may take to step its clock.
const clockTimeout = 5 * time.Second

// StepClock puts a node's wall clock an hour forward or back, and waits until
// the node shows a time that is off by so much: by 0, if it was off the other
// way.
func (s *Station) StepClock(ctx context.Context, id string, forward bool) error {
	ctx, cancel := context.WithTimeout(ctx, clockTimeout)
	defer cancel()
	n := s.Node(id)
	before, err := n.clockOff(ctx)
	if err != nil {
		return err
	}
	step, sig := time.Hour, syscall.SIGUSR1
	if !forward {
		step, sig = -time.Hour, syscall.SIGUSR2
	}
	if err := n.proc.signal(sig); err != nil {
		return err
	}
	return waitUntil(ctx, fmt.Sprintf("the clock of %s to be stepped by %v", id, step), func() bool {
		off, err := n.clockOff(ctx)
		return err == nil && (off-before-step).Abs() < time.Minute
	})
}

// clockOff is by how much a node's wall clock is ahead of this process's, to
// the second.
func (n *Node) clockOff(ctx context.Context) (time.Duration, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, n.API+"/livez", nil)
	if err != nil {
		return 0, err
	}
	client := n.client.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0, fmt.Errorf("asking %s for the time: %w", n.ID, err)
	}
	defer answer.Body.Close()
	shown, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return 0, fmt.Errorf("asking %s for the time: %w", n.ID, err)
	}
	return time.Until(shown), nil
}
