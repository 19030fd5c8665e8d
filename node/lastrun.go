package node

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/internal/atomicfile"
)

// How a run ended is told by the next one. While it goes on there's a marker in the data folder; a run that ends as it was
// asked to removes it, and one that fails leaves the reason in it. What the runtime says when it ends the process by itself
// goes to a file of its own.
const (
	markerFile = "running"
	crashFile  = "crash.log"

	// leaveWithin is how long a process that is stuck tries to leave its reason: the disk may be what it's stuck at.
	leaveWithin = 200 * time.Millisecond
)

// lastRun is a data folder's memory of the run before.
type lastRun struct{ dir string }

func (r lastRun) path(name string) string { return filepath.Join(r.dir, name) }

// reason is why the run before ended, in the words of [condition.Crashed]; "" if it was asked to, or there was none.
func (r lastRun) reason() string {
	left, err := os.ReadFile(r.path(markerFile))
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if crash, _ := os.ReadFile(r.path(crashFile)); bytes.HasPrefix(crash, []byte("SIGABRT")) {
		return condition.Watchdog // systemd's: it ends a process that gives no sign of life so
	} else if len(crash) > 0 {
		return condition.Panic + ": " + panicLine(crash)
	}
	if reason := strings.TrimSpace(string(left)); reason != "" {
		return reason
	}
	return condition.Killed
}

// panicLine is the line of a crash that says what was wrong.
func panicLine(crash []byte) string {
	for line := range bytes.Lines(crash) {
		for _, begins := range []string{"panic: ", "fatal error: "} {
			if bytes.HasPrefix(line, []byte(begins)) {
				return strings.TrimSpace(string(line))
			}
		}
	}
	first, _, _ := bytes.Cut(crash, []byte("\n"))
	return string(first)
}

// begin marks that a run goes on.
func (r lastRun) begin() error {
	f, err := os.OpenFile(r.path(crashFile), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("where a crash is to be told: %w", err)
	}
	defer f.Close()
	if err := debug.SetCrashOutput(f, debug.CrashOptions{}); err != nil {
		return fmt.Errorf("where a crash is to be told: %w", err)
	}
	return atomicfile.Write(r.path(markerFile), nil, 0o600)
}

// end marks that a run has ended: as it was asked to without an error.
func (r lastRun) end(err error) {
	if err == nil {
		_ = os.Remove(r.path(markerFile))
		return
	}
	reason := err.Error()
	if errors.Is(err, syscall.ENOSPC) {
		reason = condition.FullDisk
	}
	_ = os.WriteFile(r.path(markerFile), []byte(reason), 0o600) // best effort: the disk may be what has failed
}

// stuck leaves its reason if the disk lets it.
func (r lastRun) stuck() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = os.WriteFile(r.path(markerFile), []byte(condition.Watchdog), 0o600)
	}()
	select {
	case <-done:
	case <-time.After(leaveWithin):
	}
}
