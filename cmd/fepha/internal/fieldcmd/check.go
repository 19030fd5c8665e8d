package fieldcmd

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
)

// newCheckCommand makes `fepha point check`.
func newCheckCommand(f *cli.ClientFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the points of RTUs one by one against the control centre, for commissioning",
		Long: `Check the points of RTUs one by one against the control centre (对点). A point is
ticked off when its change came from the device and the control centre has
acknowledged it, a control when the device has returned it; the rest a person ticks
off, with a remark. Progress is the station's: a takeover loses nothing of it.`,
	}
	cmd.AddCommand(newCheckStartCommand(f), newCheckListCommand(f), newCheckTickCommand(f), newCheckEndCommand(f), newCheckReportCommand(f), newCompareCommand(f))
	return cmd
}

func newCheckStartCommand(f *cli.ClientFlags) *cobra.Command {
	var uplink string
	var req api.CheckStart
	cmd := &cobra.Command{
		Use:   "start RTU...",
		Short: "Begin the check of RTUs, or bring one up to date with the RTU's table",
		Example: `  fepha point check start 1 2 --uplink occ/main
  fepha point check start 1          # after config apply: new points come in, the others keep their progress`,
		Args: cli.Args(cobra.MinimumNArgs(1)),
	}
	cmd.Flags().StringVar(&uplink, "uplink", "", "UPLINK/GROUP whose acknowledgement counts; must be given if the station has several")
	cmd.Flags().BoolVar(&req.Anew, "anew", false, "throw the progress so far away")
	return cli.ClientCommand(f, cmd, func(ctx context.Context, c *client.Client, args []string) (list []api.Check, err error) {
		if uplink != "" {
			var ok bool
			if req.Uplink, req.Group, ok = strings.Cut(uplink, "/"); !ok {
				return nil, cli.Usagef("--uplink %q: expected UPLINK/GROUP, such as occ/main", uplink)
			}
		}
		for _, arg := range args {
			rtu, err := rtuArg([]string{arg})
			if err != nil {
				return nil, err
			}
			k, err := c.StartCheck(ctx, rtu, req)
			if err != nil {
				return nil, err
			}
			list = append(list, k)
		}
		return list, nil
	}, printChecks)
}

func newCheckListCommand(f *cli.ClientFlags) *cobra.Command {
	var open bool
	cmd := &cobra.Command{
		Use:   "list [RTU]",
		Short: "Show the progress of all checks, or the points of one",
		Args:  cli.Args(cobra.MaximumNArgs(1)),
	}
	cmd.Flags().BoolVar(&open, "open", false, "of an RTU: only points that are not done")
	one := false
	return cli.ViewCommand(f, cmd, func(ctx context.Context, c *client.Client, args []string) ([]api.Check, error) {
		if one = len(args) == 1; !one {
			return c.Checks(ctx)
		}
		rtu, err := rtuArg(args)
		if err != nil {
			return nil, err
		}
		k, err := c.Check(ctx, rtu)
		return []api.Check{k}, err
	}, func(w io.Writer, list []api.Check) error {
		if err := printChecks(w, list); err != nil || !one {
			return err
		}
		return printItems(w, list[0], open)
	})
}

func printChecks(w io.Writer, list []api.Check) error {
	var rows []string
	for _, k := range list {
		state := "goes on"
		if k.EndedMs != 0 {
			state = "ended " + cli.Clock(w, k.EndedMs)
		}
		percent := 0
		if k.Points > 0 {
			percent = 100 * k.Done / k.Points
		}
		rows = append(rows, cli.Row(k.RTU, fmt.Sprintf("%d of %d (%d %%)", k.Done, k.Points, percent), k.Seen, k.Failed, cli.Dash(strings.Trim(k.Uplink+"/"+k.Group, "/")), cli.Clock(w, k.StartedMs), k.By, state, k.Name))
	}
	return cli.Table(w, "RTU\tDONE\tSEEN\tFAILED\tUPLINK\tBEGUN\tBY\tSTATE\tNAME", rows...)
}

func printItems(w io.Writer, k api.Check, openAlone bool) error {
	var rows []string
	for _, i := range k.Items {
		if openAlone && (i.State == api.CheckDone || i.State == api.CheckByHand) {
			continue
		}
		ioa := "-"
		if i.IOA != 0 {
			ioa = fmt.Sprint(i.IOA)
		}
		rows = append(rows, cli.Row(fmt.Sprintf("%d/%s/%d", k.RTU, i.Kind, i.Point), ioa, i.State, seenWords(w, i), remarkWords(i), i.Name))
	}
	return cli.Table(w, "POINT\tIOA\tSTATE\tSEEN\tREMARK\tNAME", rows...)
}

// seenWords tell with which values a point was seen, and when that was acknowledged.
func seenWords(w io.Writer, i api.CheckItem) string {
	var seen []string
	for _, s := range i.Samples {
		text := s.ValueText
		if s.QualityText != "" {
			text += " (" + s.QualityText + ")"
		}
		text += " " + cli.Clock(w, s.TimeMs)
		if s.AckedMs != 0 {
			text += fmt.Sprintf(", acknowledged after %d ms", s.AckedMs-s.TimeMs)
		}
		seen = append(seen, text)
	}
	return strings.Join(seen, "; ")
}

func remarkWords(i api.CheckItem) string {
	if i.SaidBy == "" {
		return ""
	}
	return i.Remark + " (" + i.SaidBy + ")"
}

func newCheckTickCommand(f *cli.ClientFlags) *cobra.Command {
	var req api.CheckTick
	var wrong bool
	cmd := &cobra.Command{
		Use:   "tick RTU/KIND/POINT",
		Short: "Say of a point that it is right, or wrong, with a remark",
		Example: `  fepha point check tick 1/ai/3 --remark "110.5 kV at both ends"
  fepha point check tick 1/di/17 --wrong --remark "comes as 1/di/18"`,
		Args: cli.Args(cobra.ExactArgs(1)),
	}
	cmd.Flags().StringVar(&req.Remark, "remark", "", "what was seen, or what is wrong; must be given")
	cmd.Flags().BoolVar(&wrong, "wrong", false, "the point is wrong")
	cmd.Flags().BoolVar(&req.Clear, "clear", false, "take back what was said")
	return cli.ClientCommand(f, cmd, func(ctx context.Context, c *client.Client, args []string) ([]api.Check, error) {
		rtu, kind, point, err := pointArg(args[0])
		if err != nil {
			return nil, err
		}
		req.Kind, req.Point, req.OK = kind, point, !wrong
		k, err := c.Tick(ctx, rtu, req)
		return []api.Check{k}, err
	}, printChecks)
}

func newCheckEndCommand(f *cli.ClientFlags) *cobra.Command {
	var discard bool
	cmd := &cobra.Command{
		Use:   "end RTU",
		Short: "End a check: its result stays until it is discarded",
		Args:  cli.Args(cobra.ExactArgs(1)),
	}
	cmd.Flags().BoolVar(&discard, "discard", false, "throw it away")
	return cli.ClientCommand(f, cmd, func(ctx context.Context, c *client.Client, args []string) (uint32, error) {
		rtu, err := rtuArg(args)
		if err != nil {
			return 0, err
		}
		return rtu, c.EndCheck(ctx, rtu, discard)
	}, func(w io.Writer, rtu uint32) error {
		_, err := fmt.Fprintf(w, "the check of RTU %d has ended\n", rtu)
		return err
	})
}

func newCheckReportCommand(f *cli.ClientFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "report RTU",
		Short:   "Write the report of a check as CSV; the page writes it as XLSX and prints it",
		Example: "  fepha point check report 1 > rtu1-check.csv",
		Args:    cli.Args(cobra.ExactArgs(1)),
	}
	return cli.ClientCommand(f, cmd, func(ctx context.Context, c *client.Client, args []string) (api.Check, error) {
		rtu, err := rtuArg(args)
		if err != nil {
			return api.Check{}, err
		}
		return c.Check(ctx, rtu)
	}, writeReport)
}

// writeReport writes a row a point. A text that a spreadsheet would take for a formula is marked as text.
func writeReport(w io.Writer, k api.Check) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"rtu", "kind", "point", "ioa", "name", "state", "seen", "by", "remark"}}
	for _, i := range k.Items {
		rows = append(rows, []string{
			fmt.Sprint(k.RTU), i.Kind, fmt.Sprint(i.Point), fmt.Sprint(i.IOA), i.Name, i.State, seenWords(w, i), i.SaidBy, i.Remark,
		})
	}
	for _, row := range rows {
		for n, text := range row {
			if text != "" && strings.Contains("=+-@\t\r", text[:1]) {
				row[n] = "'" + text
			}
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func newCompareCommand(f *cli.ClientFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "compare UPLINK FILE",
		Short: "Compare the control centre's list of points with an uplink's table",
		Long: `Compare the control centre's list of points with an uplink's table. FILE is a CSV
file or a workbook (.xlsx) with a header: the column ioa has to be there, name,
type and common_address may be, in English or Chinese. Without a common address a
point is the uplink's, not one of its sectors. The exit code is 1 if they differ.`,
		Example: "  fepha point check compare occ centre.xlsx",
		Args:    cli.Args(cobra.ExactArgs(2)),
	}
	differ := 0
	cli.ClientCommand(f, cmd, func(ctx context.Context, c *client.Client, args []string) (api.Comparison, error) {
		content, err := os.ReadFile(args[1])
		if err != nil {
			return api.Comparison{}, cli.Usagef("%v", err)
		}
		r, err := c.Compare(ctx, args[0], content)
		differ = len(r.Differences)
		return r, err
	}, printComparison)
	ask := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := ask(cmd, args); err != nil {
			return err
		}
		if differ > 0 {
			return fmt.Errorf("the lists differ in %d addresses", differ)
		}
		return nil
	}
	return cmd
}

func printComparison(w io.Writer, r api.Comparison) error {
	if _, err := fmt.Fprintf(w, "%s: %d points here, %d in the list, %d the same\n", r.Uplink, r.Here, r.There, r.Same); err != nil || len(r.Differences) == 0 {
		return err
	}
	var rows []string
	for _, d := range r.Differences {
		var here, there api.ListPoint
		what := "differs"
		switch {
		case d.Here == nil:
			what, there = "missing here", *d.There
		case d.There == nil:
			what, here = "missing in the list", *d.Here
		default:
			here, there = *d.Here, *d.There
		}
		rows = append(rows, cli.Row(commonAddress(d.CommonAddress), d.IOA, what, cli.Dash(here.Point), listed(here), listed(there)))
	}
	return cli.Table(w, "CA\tIOA\tWHAT\tPOINT\tHERE\tLIST", rows...)
}

func listed(p api.ListPoint) string {
	if p.Type == 0 {
		return p.Name
	}
	return fmt.Sprintf("%s (%d)", p.Name, p.Type)
}
