package fieldcmd

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
)

// NewRTUCommand makes `fepha rtu`.
func NewRTUCommand() *cobra.Command {
	var f cli.ClientFlags
	cmd := &cobra.Command{Use: "rtu", Short: "Show the field devices and move them between the FEPs"}
	f.Register(cmd)
	cmd.AddCommand(
		cli.ViewCommand(&f, &cobra.Command{
			Use:   "list",
			Short: "List the RTUs with owner and links",
			Args:  cli.Args(cobra.NoArgs),
		}, func(ctx context.Context, c *client.Client, _ []string) ([]api.RTUStatus, error) { return c.RTUs(ctx) }, PrintRTUs),
		newShowRTUCommand(&f),
		newStraysCommand(&f),
		newFilesCommand(&f),
		newMoveCommand(&f, &cobra.Command{
			Use:   "failover N",
			Short: "Move an RTU to the other FEP, or to --to",
		}, (*client.Client).Failover, "moving from %s to %s\n"),
		cli.ClientCommand(&f, &cobra.Command{
			Use:   "rebalance",
			Short: "Move all RTUs to the FEP that they prefer (prefer in station.yaml)",
			Args:  cli.Args(cobra.NoArgs),
		}, func(ctx context.Context, c *client.Client, _ []string) (api.RebalanceReply, error) {
			return c.Rebalance(ctx)
		}, printRebalance),
		newMoveCommand(&f, &cobra.Command{
			Use:   "pin N",
			Short: "Bind an RTU to its present owner, or to --to: it is not moved to another FEP",
		}, (*client.Client).Pin, "owned by %s, pinned to %s\n"),
		cli.ClientCommand(&f, &cobra.Command{
			Use:   "unpin N",
			Short: "Take a pin back",
			Args:  cli.Args(cobra.ExactArgs(1)),
		}, func(ctx context.Context, c *client.Client, args []string) (api.MoveReply, error) {
			n, err := rtuArg(args)
			if err != nil {
				return api.MoveReply{}, err
			}
			return c.Unpin(ctx, n)
		}, func(w io.Writer, m api.MoveReply) error {
			_, err := fmt.Fprintf(w, "owned by %s, not pinned\n", cli.Dash(m.From))
			return err
		}),
	)
	return cmd
}

// newMoveCommand is a command with an RTU's number and --to.
func newMoveCommand(f *cli.ClientFlags, cmd *cobra.Command, call func(*client.Client, context.Context, uint32, string) (api.MoveReply, error), told string) *cobra.Command {
	var to string
	cmd.Args = cli.Args(cobra.ExactArgs(1))
	cmd.Flags().StringVar(&to, "to", "", "id of the FEP")
	return cli.ClientCommand(f, cmd, func(ctx context.Context, c *client.Client, args []string) (api.MoveReply, error) {
		n, err := rtuArg(args)
		if err != nil {
			return api.MoveReply{}, err
		}
		return call(c, ctx, n, to)
	}, func(w io.Writer, m api.MoveReply) error {
		if len(m.RTUs) > 0 {
			fmt.Fprintf(w, "RTUs %s share their links: ", numbers(m.RTUs))
		}
		_, err := fmt.Fprintf(w, told, cli.Dash(m.From), m.To)
		return err
	})
}

// numbers lists RTUs: 1, 2, 7.
func numbers(rtus []uint32) string {
	var all []string
	for _, n := range rtus {
		all = append(all, fmt.Sprint(n))
	}
	return strings.Join(all, ", ")
}

func printRebalance(w io.Writer, r api.RebalanceReply) error {
	if len(r.Moves)+len(r.Stay) == 0 {
		_, err := fmt.Fprintln(w, "every RTU is where it prefers to be")
		return err
	}
	for _, m := range r.Moves {
		fmt.Fprintf(w, "RTU %d: moving from %s to %s\n", m.RTU, cli.Dash(m.From), m.To)
	}
	for _, m := range r.Stay {
		fmt.Fprintf(w, "RTU %d: stays at %s: %s\n", m.RTU, cli.Dash(m.From), m.Reason)
	}
	return nil
}

func rtuArg(args []string) (uint32, error) {
	n, err := strconv.ParseUint(args[0], 10, 32)
	if err != nil {
		return 0, cli.Usagef("RTU %q: expected its number", args[0])
	}
	return uint32(n), nil
}

// PrintRTUs prints a table of RTUs.
func PrintRTUs(w io.Writer, rtus []api.RTUStatus) error {
	var rows []string
	for _, r := range rtus {
		owner := r.Owner
		if r.Phase == "releasing" {
			owner += " (releasing)"
		}
		online, links := cli.YesNo(r.Online), linkSummary(r)
		if r.Stale {
			owner, online, links = unknownNow(owner), "unknown", "unknown"
		}
		if len(r.Sharing) > 0 {
			links += " (of RTUs " + numbers(r.Sharing) + ")"
		}
		rows = append(rows, cli.Row(r.Number, r.Name, commonAddress(r.CommonAddress), owner, r.Epoch, r.Reason, r.Pinned, online, links))
	}
	return cli.Table(w, "RTU\tNAME\tCA\tOWNER\tEPOCH\tREASON\tPINNED\tONLINE\tLINKS", rows...)
}

// commonAddress is one as it is shown.
func commonAddress(a uint16) string {
	if a == 0 {
		return cli.Dash("")
	}
	return strconv.Itoa(int(a))
}

// unknownNow is what was so when the quorum was lost, and may be otherwise now.
func unknownNow(was string) string { return "unknown (was " + cli.Dash(was) + ")" }

// linkSummary tells for each FEP the states of all links, channels apart by a
// bar: "fep1 active|standby, fep2 standby|standby".
func linkSummary(r api.RTUStatus) string {
	byNode := make(map[string][]string)
	for _, c := range r.Channels {
		states := make(map[string][]string)
		for _, l := range c.Links {
			for node, state := range l {
				if node != "address" {
					states[node] = append(states[node], state)
				}
			}
		}
		for node, list := range states {
			byNode[node] = append(byNode[node], strings.Join(list, " "))
		}
	}
	var parts []string
	for _, node := range slices.Sorted(maps.Keys(byNode)) {
		parts = append(parts, node+" "+strings.Join(byNode[node], "|"))
	}
	return strings.Join(parts, ", ")
}

func printRTU(w io.Writer, r api.RTUStatus) error {
	if err := PrintRTUs(w, []api.RTUStatus{r}); err != nil {
		return err
	}
	fmt.Fprintln(w)
	var rows []string
	for _, c := range r.Channels {
		for i, l := range c.Links {
			var states []string
			for _, node := range slices.Sorted(maps.Keys(l)) {
				if node != "address" && !r.Stale {
					states = append(states, node+" "+l[node])
				}
			}
			if r.Stale {
				states = []string{"unknown"}
			}
			rows = append(rows, cli.Row(c.Channel, i+1, l["address"], strings.Join(states, ", ")))
		}
	}
	if err := cli.Table(w, "CHANNEL\tLINK\tADDRESS\tSTATE", rows...); err != nil || r.LastStray == nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nDEVICE FAULTS: %s could not be taken over; `fepha rtu strays %d` lists them. The last one, at %s:\n  %s\n  %s\n",
		cli.Count(int(r.Strays), "ASDU"), r.Number, cli.Clock(w, r.LastStray.TimeMs), r.LastStray.Reason, spaced(r.LastStray.ASDU))
	return err
}

func newStraysCommand(f *cli.ClientFlags) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "strays N",
		Short: "List the ASDUs of an RTU that could not be taken over, the newest first",
		Long: `List the ASDUs of an RTU that could not be taken over, with the reason and
their octets: malformed ones, and data with a cause that no data has. The
newest 1000 are kept; each was acknowledged to the device only after that.`,
		Args: cli.Args(cobra.ExactArgs(1)),
	}
	cmd.Flags().IntVar(&limit, "limit", 50, "how many at the most, 1 to 1000")
	return cli.ViewCommand(f, cmd, func(ctx context.Context, c *client.Client, args []string) (api.StrayList, error) {
		n, err := rtuArg(args)
		if err != nil {
			return api.StrayList{}, err
		}
		return c.Strays(ctx, n, limit)
	}, func(w io.Writer, l api.StrayList) error {
		var rows []string
		for _, x := range l.Strays {
			rows = append(rows, cli.Row(x.Number, cli.Clock(w, x.TimeMs), x.Reason, spaced(x.ASDU)))
		}
		if err := cli.Table(w, "NUMBER\tTIME\tWHY\tOCTETS", rows...); err != nil {
			return err
		}
		_, err := fmt.Fprintf(w, "%s in all\n", cli.Count(int(l.Total), "ASDU"))
		return err
	})
}

// spaced puts a space between the octets of hex digits.
func spaced(digits string) string {
	var b strings.Builder
	for i := 0; i < len(digits); i += 2 {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(digits[i:min(i+2, len(digits))])
	}
	return b.String()
}
