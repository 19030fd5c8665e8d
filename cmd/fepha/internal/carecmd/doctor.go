package carecmd

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/node/doctor"
)

// dataDirs is where the unit that comes with fepha keeps the data of nodes.
const dataDirs = "/var/lib/fepha"

// The exit codes of fepha doctor that tell how the machine is, as those of monitoring plugins.
const (
	doctorDoubtful = 1
	doctorWrong    = 2
)

// NewDoctorCommand makes `fepha doctor`.
func NewDoctorCommand() *cobra.Command {
	var o doctor.Options
	var asJSON, quiet bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look whether this machine, and what a node needs around it, is as it should be",
		Long: `Look whether this machine, and what a node needs around it, is as it should be:
configuration, certificates, permissions, addresses, ports and who holds them, the
disk against what the lease needs, memory, limits, settings, kernel, the ways to
the other nodes, clocks, devices, control centres, Redis, exports.

It may be run before and after the installation and while the node runs, best as
root: other users see less, and it says what they didn't see. It changes nothing,
and disturbs no device: a link that the node or the group has is told, not tried.

Each line is good, doubtful, wrong, or not checked, with the reason. Exit code 0
if nothing is doubtful or wrong, 1 if something is doubtful, 2 if something is
wrong.`,
		Example: "  fepha doctor --config /etc/fepha/station.yaml --node fep1",
		Args:    cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Node == "" {
				return cli.Usagef("--node is needed: the id of this machine's node in station.yaml")
			}
			if o.DataDir == "" {
				o.DataDir = filepath.Join(dataDirs, o.Node)
			}
			r := doctor.Run(cmd.Context(), o)
			var err error
			if asJSON {
				err = cli.WriteJSON(cmd.OutOrStdout(), struct {
					doctor.Report
					Verdict doctor.Verdict `json:"verdict"`
				}{r, r.Worst()})
			} else {
				err = PrintReport(cli.NewOutput(cmd.OutOrStdout(), nil), r, quiet)
			}
			if err != nil {
				return err
			}
			switch r.Worst() {
			case doctor.Wrong:
				return cli.Exit(doctorWrong, cli.ErrTold)
			case doctor.Doubtful:
				return cli.Exit(doctorDoubtful, cli.ErrTold)
			}
			return nil
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&o.File, "config", "/etc/fepha/station.yaml", "the station's configuration")
	fl.StringVar(&o.Node, "node", "", "id of this machine's node in it (needed)")
	fl.StringVar(&o.DataDir, "data-dir", "", "the node's data folder, which may not be there yet; default "+dataDirs+"/NODE")
	fl.BoolVar(&asJSON, "json", false, "print JSON")
	fl.BoolVar(&quiet, "quiet", false, "leave out what is good")
	return cmd
}

// PrintReport prints what was looked at, a line each and what to do below it, and a summary. quiet leaves out what is good.
func PrintReport(w io.Writer, r doctor.Report, quiet bool) error {
	marks := map[doctor.Verdict]string{doctor.Good: "good", doctor.Unchecked: "-", doctor.Doubtful: "DOUBTFUL", doctor.Wrong: "WRONG"}
	for _, l := range r.Lines {
		if quiet && l.Verdict == doctor.Good {
			continue
		}
		about := l.Check
		if l.About != "" {
			about += " " + l.About
		}
		if _, err := fmt.Fprintf(w, "%-8s  %s: %s\n", marks[l.Verdict], about, l.Text); err != nil {
			return err
		}
		if l.Advice != "" {
			if _, err := fmt.Fprintf(w, "%-8s  -> %s\n", "", l.Advice); err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprintf(w, "\n%s: %d good, %d doubtful, %d wrong, %d not checked\n", r.Node,
		r.Count(doctor.Good), r.Count(doctor.Doubtful), r.Count(doctor.Wrong), r.Count(doctor.Unchecked))
	return err
}
