package node

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/fepha/fepha/condition"
)

// A process that ends by itself leaves the reason to the next one; one that was asked to end leaves none.
func TestLastRun(t *testing.T) {
	if dir := os.Getenv("FEPHA_TEST_LAST_RUN"); dir != "" {
		run := lastRun{dir}
		if err := run.begin(); err != nil {
			t.Fatal(err)
		}
		switch os.Getenv("FEPHA_TEST_END") {
		case "panic":
			go func() { map[string]map[string]int{}["none"]["x"] = 1 }()
			select {} // not to end before the panic does
		case "abort":
			_ = syscall.Kill(os.Getpid(), syscall.SIGABRT)
			select {}
		case "kill":
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		case "full":
			run.end(fmt.Errorf("raft log: %w", syscall.ENOSPC))
		case "error":
			run.end(errors.New("api ended: no more"))
		case "stuck":
			run.stuck()
			os.Exit(1)
		case "asked":
			run.end(nil)
		}
		os.Exit(0)
	}
	for _, c := range []struct{ end, reason string }{
		{"panic", condition.Panic + ": panic: assignment to entry in nil map"},
		{"abort", condition.Watchdog},
		{"kill", condition.Killed},
		{"full", condition.FullDisk},
		{"error", "api ended: no more"},
		{"stuck", condition.Watchdog},
		{"asked", ""},
	} {
		t.Run(c.end, func(t *testing.T) {
			dir := t.TempDir()
			if r := (lastRun{dir}).reason(); r != "" {
				t.Fatalf("of no run: %q", r)
			}
			cmd := exec.Command(os.Args[0], "-test.run=^TestLastRun$")
			cmd.Env = append(os.Environ(), "FEPHA_TEST_LAST_RUN="+dir, "FEPHA_TEST_END="+c.end)
			out, _ := cmd.CombinedOutput()
			if r := (lastRun{dir}).reason(); r != c.reason {
				t.Errorf("got %q, want %q; it said\n%s", r, c.reason, out)
			}
			text, _ := condition.Say(condition.Crashed.Name, []string{c.reason}, 0)
			if c.end == "panic" && (!strings.Contains(text.EN, "a fault of the program: panic: assignment") || !strings.Contains(text.ZH, "程序故障：panic: assignment")) {
				t.Errorf("%+v", text)
			}
		})
	}
}
