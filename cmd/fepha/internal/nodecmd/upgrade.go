package nodecmd

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/internal/build"
)

// NewUpgradeCommand makes `fepha upgrade`.
func NewUpgradeCommand() *cobra.Command {
	var f cli.ClientFlags
	cmd := &cobra.Command{Use: "upgrade", Short: "Bring another version of fepha onto the nodes, one after the other"}
	f.Register(cmd)
	cmd.AddCommand(newUpgradeCheckCommand(&f))
	return cmd
}

// upgradeCheck is what `upgrade check --json` prints.
type upgradeCheck struct {
	Ready    bool              `json:"ready"`    // a node may be taken now
	Problems []string          `json:"problems"` // why not
	Next     []string          `json:"next"`     // nodes that don't run this tool's version, in the order to take them
	Level    uint32            `json:"level"`    // feature level of the group
	Versions map[string]string `json:"versions"` // by node
}

func newUpgradeCheckCommand(f *cli.ClientFlags) *cobra.Command {
	return cli.ClientCommand(f, &cobra.Command{
		Use:   "check",
		Short: "Say whether the next node may be taken now",
		Long: `Say whether the next node may be taken now, and which: one that doesn't run the
version of this very tool. A node is taken so: empty it if it's a FEP ('fepha
maintenance start'), stop it, put the new program in its place, start it, end its
maintenance, and check again. The leader comes last. As long as not all nodes run
the new version each may go back to the former one; once all do, the group uses
what only they understand. The exit code is 1 if no node may be taken now.`,
		Args: cli.Args(cobra.NoArgs),
	}, func(ctx context.Context, c *client.Client, _ []string) (u upgradeCheck, err error) {
		st, err := c.Status(ctx)
		if err != nil {
			return u, err
		}
		raft, err := c.Raft(ctx)
		if err != nil {
			return u, err
		}
		return checkUpgrade(st, raft), nil
	}, func(w io.Writer, u upgradeCheck) error {
		for _, n := range u.Next {
			fmt.Fprintf(w, "to do: %s, which runs %s\n", n, cli.Dash(u.Versions[n]))
		}
		fmt.Fprintf(w, "feature level %d\n", u.Level)
		if !u.Ready {
			fmt.Fprintf(w, "not now:\n  %s\n", strings.Join(u.Problems, "\n  "))
			return cli.Exit(cli.ExitFailed, cli.ErrTold)
		}
		if len(u.Next) == 0 {
			_, err := fmt.Fprintf(w, "all nodes run this tool's version, %s\n", build.Read().String())
			return err
		}
		_, err := fmt.Fprintf(w, "%s may be taken now\n", u.Next[0])
		return err
	})
}

// mostBehind is how many entries a node may be behind: what comes in while the question is asked.
const mostBehind = 1000

// checkUpgrade judges whether a node may be stopped for another version, so that the others go on alone. Of the nodes that don't
// run this tool's version the leader comes last, so that leadership moves once.
func checkUpgrade(st api.Status, raft api.RaftStatus) upgradeCheck {
	u := upgradeCheck{Problems: []string{}, Next: []string{}, Level: raft.Level, Versions: map[string]string{}}
	problem := func(format string, args ...any) { u.Problems = append(u.Problems, fmt.Sprintf(format, args...)) }
	if !raft.Quorum {
		problem("there is no quorum: nothing may be stopped")
	}
	var leader []string
	for _, p := range raft.Peers {
		u.Versions[p.ID] = p.Build
		switch {
		case !p.Alive:
			problem("%s is not heard of: bring it back first", p.ID)
		case !p.Voter:
			problem("%s is no member: fepha raft add", p.ID)
		case p.Maintenance:
			problem("%s is under maintenance: fepha maintenance end %s", p.ID, p.ID)
		case p.ConfigDiffers:
			problem("%s doesn't run the configuration in force: its conditions say why", p.ID)
		case p.Role == "fep" && !p.Lease:
			problem("%s has no lease yet", p.ID)
		case p.AppliedIndex+mostBehind < raft.CommitIndex:
			problem("%s is %d entries behind", p.ID, raft.CommitIndex-p.AppliedIndex)
		}
		switch todo := p.Build != build.Read().String() || p.Level < fsm.Level; {
		case todo && p.ID == raft.Leader:
			leader = append(leader, p.ID)
		case todo:
			u.Next = append(u.Next, p.ID)
		}
	}
	u.Next = append(u.Next, leader...)
	for _, c := range st.Conditions {
		if c.Kind == condition.NoReserve.Name {
			problem("%s: %s", c.ID, c.Text)
		}
	}
	u.Ready = len(u.Problems) == 0
	return u
}
