package nodecmd

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/node"
)

func newRaftRecoverCommand() *cobra.Command {
	var f nodeFlags
	var members []string
	cmd := &cobra.Command{
		Use:   "recover",
		Short: "Go on after the loss of a majority, from one node's data folder",
		Long: `Go on after the loss of a majority: rewrite who the group's members are in the
data folder of a stopped node. Of the nodes that are left, take the one with the
longest log ('fepha raft status' shows the last entry), stop it, recover it,
start it, and then add the others, each with an empty data folder ('fepha raft
add').

Be sure that the lost nodes never come back with their old data: they would be
another group. What only they had committed is gone.`,
		Example: "  fepha raft recover --config /etc/fepha/station.yaml --id fep1 --data-dir /var/lib/fepha/fep1",
		Args:    cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.complete(); err != nil {
				return err
			}
			if len(members) == 0 {
				members = []string{f.id}
			}
			if !slices.Contains(members, f.id) {
				return cli.Usagef("--members %q: expected ids of nodes, and %s among them", strings.Join(members, ","), f.id)
			}
			if err := node.Recover(f.node(nil), members); errors.Is(err, node.ErrUnknownNode) {
				return cli.Exit(cli.ExitUsage, err)
			} else if err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s is ready to be started: its group is now %s\n", f.id, strings.Join(members, ", "))
			return err
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.config, "config", "", "station.yaml (needed)")
	fl.StringVar(&f.id, "id", "", "id of the node whose data folder it is (needed)")
	fl.StringVar(&f.dataDir, "data-dir", "", "its data folder (needed)")
	fl.StringSliceVar(&members, "members", nil, "ids of those that form the group from now on; default --id alone")
	return cmd
}
