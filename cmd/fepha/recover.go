package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/cluster"
	"github.com/fepha/fepha/configs"
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
		Example: "  fepha raft recover --config /etc/fepha/station.yaml --id fep1 --data-dir /var/lib/fepha",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, station, _, err := loadNodeConfig(f)
			if err != nil {
				return err
			}
			if len(members) == 0 {
				members = []string{f.id}
			}
			list, err := memberList(station, f.id, members)
			if err != nil {
				return err
			}
			cfg, err := clusterConfig(station, f.id, f.dataDir)
			if err != nil {
				return err
			}
			if err := cluster.Recover(cfg, list); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is ready to be started: its group is now %s\n", f.id, strings.Join(members, ", "))
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

// memberList are the members that go on, as the configuration has them.
func memberList(s *configs.Station, self string, ids []string) ([]cluster.Member, error) {
	if !slices.Contains(ids, self) {
		return nil, usagef("--members %q: expected ids of nodes, and %s among them", strings.Join(ids, ","), self)
	}
	var list []cluster.Member
	for _, id := range ids {
		n, ok := s.Node(id)
		if !ok {
			return nil, usagef("--members: there is no node %q in the configuration", id)
		}
		list = append(list, cluster.Member{ID: n.ID, Host: n.Host, Role: cluster.Role(n.Role), Address: n.Address.String()})
	}
	return list, nil
}
