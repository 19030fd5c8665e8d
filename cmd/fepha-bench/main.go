// Command fepha-bench measures a station of real processes on this machine and
// puts it through faults. The figures are for comparing, on the same machine;
// what counts everywhere is that nothing is lost.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use:           "fepha-bench",
		Short:         "Measure a station and put it through faults",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newFailoverCommand())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "fepha-bench:", err)
		os.Exit(1)
	}
}

// withBinary calls f with the fepha program: the one given, or one built from
// the source beside this command, and a folder that is removed afterwards.
func withBinary(given string, f func(binary, dir string) error) error {
	dir, err := os.MkdirTemp("", "fepha-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if given == "" {
		given = filepath.Join(dir, "fepha")
		if out, err := exec.Command("go", "build", "-o", given, "github.com/fepha/fepha/cmd/fepha").CombinedOutput(); err != nil {
			return fmt.Errorf("building fepha (or name one with --binary): %w\n%s", err, out)
		}
	}
	return f(given, filepath.Join(dir, "station"))
}
