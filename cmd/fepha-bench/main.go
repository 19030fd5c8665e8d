// Command fepha-bench measures a station of real processes on this machine and
// puts it through faults. The figures are for comparing, on the same machine;
// what counts everywhere is that nothing is lost.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
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
	root.AddCommand(newFNPCommand(), newFailoverCommand(), newFaultsCommand(), newEventsCommand(), newLatencyCommand(),
		newRetentionCommand(), newScaleCommand(), newCompareCommand())
	if err := root.ExecuteContext(ctx); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("interrupted: %w", err)
		}
		fmt.Fprintln(os.Stderr, "fepha-bench:", err)
		os.Exit(1)
	}
}
