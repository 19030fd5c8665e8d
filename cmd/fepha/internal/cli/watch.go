package cli

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api/client"
)

// ViewCommand is a ClientCommand that only looks: with --watch it looks again and again, until it's interrupted.
func ViewCommand[T any](f *ClientFlags, cmd *cobra.Command, fetch func(ctx context.Context, c *client.Client, args []string) (T, error), human func(w io.Writer, v T) error) *cobra.Command {
	var every time.Duration
	cmd = ClientCommand(f, cmd, fetch, human)
	once := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if every == 0 {
			return once(cmd, args)
		}
		if every < 100*time.Millisecond {
			return Usagef("--watch %v: expected 100ms at least", every)
		}
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			if NewOutput(cmd.OutOrStdout(), nil).coloured {
				cmd.Print("\x1b[H\x1b[2J") // a terminal is cleared first
			}
			if err := once(cmd, args); err != nil {
				cmd.PrintErrln("fepha:", err) // the node may be back the next time
			}
			select {
			case <-tick.C:
			case <-cmd.Context().Done():
				return nil
			}
		}
	}
	cmd.Flags().DurationVar(&every, "watch", 0, "look again this often, such as 1s, until interrupted")
	cmd.Flags().Lookup("watch").NoOptDefVal = "1s"
	return cmd
}
