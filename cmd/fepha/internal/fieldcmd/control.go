package fieldcmd

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
)

// NewControlCommand makes `fepha control`.
func NewControlCommand() *cobra.Command {
	var f cli.ClientFlags
	cmd := &cobra.Command{Use: "control", Short: "Operate devices, and show who operated what"}
	f.Register(cmd)
	cmd.AddCommand(newControlSendCommand(&f), newControlListCommand(&f))
	return cmd
}

func newControlSendCommand(f *cli.ClientFlags) *cobra.Command {
	var req api.ControlRequest
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "send RTU/KIND/POINT VALUE",
		Short: "Send a control to a device, once, and wait for its answer",
		Long: `Send a control to a device, once, and wait for its answer. VALUE is on or off
for a do (of a regulating step, higher and lower), a number for an ao. It is
never sent twice, whatever fails meanwhile: if the answer is lost, the outcome is
unknown, and the exit code is 1.`,
		Example: `  fepha control send 1/do/2 on --select
  fepha control send 1/ao/1 110.5`,
		Args: cli.Args(cobra.ExactArgs(2)),
	}
	fl := cmd.Flags()
	fl.BoolVar(&req.Select, "select", false, "select before operate")
	fl.StringVar((*string)(&req.Qualifier), "qualifier", "", "of a do: short, long, persistent, or QU, 0 to 31; of an ao: QL, 0 to 127")
	fl.DurationVar(&timeout, "timeout", 10*time.Second, "for the device's answer, at most 60s")
	var done api.Control
	cli.ClientCommand(f, cmd, func(ctx context.Context, c *client.Client, args []string) (_ api.Control, err error) {
		req.TimeoutMs = timeout.Milliseconds()
		if req.RTU, req.Kind, req.Point, err = pointArg(args[0]); err != nil {
			return done, err
		}
		if value, err := strconv.ParseFloat(args[1], 64); err == nil {
			req.Value = &value
		} else {
			req.State = args[1]
		}
		done, err = c.Control(ctx, req)
		return done, err
	}, printControl)
	ask := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := ask(cmd, args); err != nil {
			return err
		}
		if !done.OK {
			return fmt.Errorf("control %s of %d/%s/%d: %s", done.ID, done.RTU, done.Kind, done.Point, done.Reason)
		}
		return nil
	}
	return cmd
}

func printControl(w io.Writer, c api.Control) error {
	outcome := "done"
	if !c.OK {
		outcome = "not done"
	}
	_, err := fmt.Fprintf(w, "%s: %s %s by %s on %s after %d ms\n", outcome, c.Phase, controlValue(c), c.Origin, cli.Dash(c.Node), c.DoneMs-c.SubmittedMs)
	return err
}

// controlValue is a value as a person says it.
func controlValue(c api.Control) string {
	if c.State != "" {
		return c.State
	}
	return fmt.Sprintf("%g", float64(c.Value))
}

func newControlListCommand(f *cli.ClientFlags) *cobra.Command {
	var rtu uint32
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the newest controls: who asked for what, when, and how it ended",
		Args:  cli.Args(cobra.NoArgs),
	}
	cmd.Flags().Uint32Var(&rtu, "rtu", 0, "only those of this RTU")
	cmd.Flags().IntVar(&limit, "limit", 50, "how many at the most, 1 to 10000")
	return cli.ViewCommand(f, cmd, func(ctx context.Context, c *client.Client, _ []string) ([]api.Control, error) {
		return c.Controls(ctx, rtu, limit)
	}, func(w io.Writer, list []api.Control) error {
		var rows []string
		for _, c := range list {
			outcome := c.Stage
			switch {
			case c.Stage == "done" && c.OK:
				outcome = "ok"
			case c.Stage == "done":
				outcome = "failed: " + c.Reason
			}
			rows = append(rows, cli.Row(cli.Clock(w, c.SubmittedMs), fmt.Sprintf("%d/%s/%d", c.RTU, c.Kind, c.Point), c.Phase, controlValue(c), c.Origin, c.Node, outcome, c.Name))
		}
		return cli.Table(w, "TIME\tPOINT\tPHASE\tVALUE\tBY\tNODE\tOUTCOME\tNAME", rows...)
	})
}
