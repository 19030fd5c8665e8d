package node

import (
	"fmt"
	"log/slog"

	"github.com/fepha/fepha/cluster"
	"github.com/fepha/fepha/replica"
)

// Recover rewrites who the group's members are in the data folder of a node
// that does not run; see cluster.Recover. Run by root it leaves all to the folder's owner. The members are ids of the
// configuration's nodes.
func Recover(c Config, members []string) error {
	c.Log = slog.New(slog.DiscardHandler)
	station, _, err := load(c)
	if err != nil {
		return err
	}
	var list []cluster.Member
	for _, id := range members {
		n, ok := station.Node(id)
		if !ok {
			return fmt.Errorf("%w: %q", ErrUnknownNode, id)
		}
		list = append(list, cluster.Member{ID: n.ID, Host: n.Host, Role: replica.Role(n.Role), Address: n.Address.String()})
	}
	if err := cluster.Recover(clusterConfig(station, c), list); err != nil {
		return err
	}
	return giveBack(c.DataDir)
}
