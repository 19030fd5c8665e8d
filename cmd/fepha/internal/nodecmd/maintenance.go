package nodecmd

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
)

// NewMaintenanceCommand makes `fepha maintenance`.
func NewMaintenanceCommand() *cobra.Command {
	var f cli.ClientFlags
	cmd := &cobra.Command{Use: "maintenance", Short: "Keep everything away from a FEP while it is worked on"}
	f.Register(cmd)
	cmd.AddCommand(
		cli.ClientCommand(&f, &cobra.Command{
			Use:   "start NODE",
			Short: "Move everything away from a FEP, and keep it away until the end",
			Long: `Move RTUs, uplinks, the FNP endpoint and leadership away from a FEP, and keep
them away until "fepha maintenance end", whatever happens to the other one. It is
refused, and says why, when the other FEP can't take over.`,
			Example: "  fepha maintenance start fep1",
			Args:    cli.Args(cobra.ExactArgs(1)),
		}, func(ctx context.Context, c *client.Client, args []string) (api.MaintenanceReply, error) {
			m, err := c.Maintain(ctx, args[0], true)
			if err != nil {
				return m, err
			}
			return m, waitCleared(ctx, c, &m)
		}, func(w io.Writer, m api.MaintenanceReply) error {
			_, err := fmt.Fprintf(w, "%s is under maintenance and owns nothing: \"fepha maintenance end %[1]s\" when the work is done\n", m.Node)
			return err
		}),
		cli.ClientCommand(&f, &cobra.Command{
			Use:   "end NODE",
			Short: "Let a FEP own something again; what it had stays where it is, see `fepha rtu rebalance`",
			Args:  cli.Args(cobra.ExactArgs(1)),
		}, func(ctx context.Context, c *client.Client, args []string) (api.MaintenanceReply, error) {
			return c.Maintain(ctx, args[0], false)
		}, func(w io.Writer, m api.MaintenanceReply) error {
			_, err := fmt.Fprintf(w, "%s is in service; what it had stays where it is: \"fepha rtu rebalance\" brings it back\n", m.Node)
			return err
		}),
	)
	return cmd
}

// clearTimeout is how long a node may take to give everything away.
const clearTimeout = 10 * time.Second

// waitCleared waits until a node owns nothing and doesn't lead.
func waitCleared(ctx context.Context, c *client.Client, m *api.MaintenanceReply) error {
	ctx, cancel := context.WithTimeout(ctx, clearTimeout)
	defer cancel()
	for {
		st, err := c.Status(ctx)
		leads := err == nil && st.Leader == m.Node
		if err == nil {
			m.Owns = owns(st, m.Node)
			if m.Owns == 0 && st.Leader != "" && !leads {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is under maintenance, but after %v it still owns %d resources (leader: %t); \"fepha status\" shows them: %w", m.Node, clearTimeout, m.Owns, leads, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// owns counts what a node owns.
func owns(st api.Status, node string) (n int) {
	for _, r := range st.RTUs {
		if r.Owner == node {
			n++
		}
	}
	for _, u := range st.Uplinks {
		if u.Owner == node {
			n++
		}
	}
	return n
}
