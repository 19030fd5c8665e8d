package nodecmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/internal/atomicfile"
)

// NewRaftCommand makes `fepha raft`.
func NewRaftCommand() *cobra.Command {
	var f cli.ClientFlags
	cmd := &cobra.Command{Use: "raft", Short: "Show the Raft group that the nodes form, change it, save and restore its state"}
	f.Register(cmd)
	cmd.AddCommand(
		cli.ViewCommand(&f, &cobra.Command{
			Use:   "status",
			Short: "Show leader, term, indices and lease as one node sees them",
			Args:  cli.Args(cobra.NoArgs),
		}, func(ctx context.Context, c *client.Client, _ []string) (api.RaftStatus, error) { return c.Raft(ctx) }, printRaft),
		cli.ViewCommand(&f, &cobra.Command{
			Use:   "peers",
			Short: "List the members",
			Args:  cli.Args(cobra.NoArgs),
		}, func(ctx context.Context, c *client.Client, _ []string) ([]api.RaftPeer, error) { return c.Peers(ctx) }, printPeers),
		newRaftTransferCommand(&f),
		newRaftSnapshotCommand(&f),
		newRaftRestoreCommand(&f),
		newRaftRecoverCommand(),
		cli.ClientCommand(&f, &cobra.Command{
			Use:   "add ID HOST:PORT",
			Short: "Add a node to the group",
			Long: `Add a node to the group: one of station.yaml, with its address there. Start it
first, with an empty data folder: it waits until it is added. Nodes that are in
the group already are not asked; to change their addresses, change station.yaml
on all nodes and restart them.`,
			Example: "  fepha raft add fep2 10.91.2.67:7300",
			Args:    cli.Args(cobra.ExactArgs(2)),
		}, func(ctx context.Context, c *client.Client, args []string) (api.Done, error) {
			return c.AddPeer(ctx, args[0], args[1])
		}, printDone("added\n")),
		newRaftRemoveCommand(&f),
	)
	return cmd
}

func printDone(what string) func(io.Writer, api.Done) error {
	return func(w io.Writer, _ api.Done) error {
		_, err := fmt.Fprint(w, what)
		return err
	}
}

func printRaft(w io.Writer, r api.RaftStatus) error {
	if r.Outside {
		fmt.Fprintf(w, "%s is no member of the group, and waits to be added: fepha raft add\n", r.Node)
	}
	fmt.Fprintf(w, "%s is %s in term %d, leader %s, quorum %s, lease %s (%d ms left)\n", r.Node, cli.Dash(r.State), r.Term,
		cli.Dash(r.Leader), cli.YesNo(r.Quorum), cli.YesNo(r.Lease), r.LeaseLeftMs)
	fmt.Fprintf(w, "log: committed %d, applied %d, last %d; commit latency p50 %v, p99 %v\n", r.CommitIndex, r.AppliedIndex,
		r.LastIndex, time.Duration(r.CommitP50Us)*time.Microsecond, time.Duration(r.CommitP99Us)*time.Microsecond)
	fmt.Fprintf(w, "feature level %d; this node's program understands %d\n\n", r.Level, r.Newest)
	if err := printPeers(w, r.Peers); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return printReach(w, r.Peers)
}

func printPeers(w io.Writer, peers []api.RaftPeer) error {
	var rows []string
	for _, p := range peers {
		level, clock := "-", "-"
		if p.Level > 0 || p.Alive {
			level = fmt.Sprint(p.Level)
		}
		if p.ClockMs != nil {
			clock = fmt.Sprintf("%+d", *p.ClockMs)
		}
		rows = append(rows, cli.Row(p.ID, p.Role, p.Address, p.State, cli.YesNo(p.Voter), cli.YesNo(p.Alive), p.AppliedIndex, p.LastContactMs, p.Build, level, clock))
	}
	return cli.Table(w, "NODE\tROLE\tADDRESS\tSTATE\tVOTER\tALIVE\tAPPLIED\tLAST CONTACT MS\tVERSION\tLEVEL\tCLOCK MS", rows...)
}

// printReach prints who connects to whom: a row for each node, a column for each that it may have to reach.
func printReach(w io.Writer, peers []api.RaftPeer) error {
	header := "FROM"
	for _, to := range peers {
		header += "\tTO " + to.ID
	}
	var rows []string
	for _, from := range peers {
		cells := []any{from.ID}
		for _, to := range peers {
			switch {
			case from.ID == to.ID:
				cells = append(cells, "")
			case !from.Alive:
				cells = append(cells, "unknown")
			case !to.Alive:
				cells = append(cells, "not heard of")
			case slices.Contains(to.UnreachedBy, from.ID):
				cells = append(cells, "unreachable")
			default:
				cells = append(cells, "yes")
			}
		}
		rows = append(rows, cli.Row(cells...))
	}
	return cli.Table(w, header, rows...)
}

func newRaftTransferCommand(f *cli.ClientFlags) *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "transfer",
		Short: "Hand leadership to another node, without a gap for the devices",
		Args:  cli.Args(cobra.NoArgs),
	}
	cmd.Flags().StringVar(&to, "to", "", "id of the node; default the FEP that is most up to date")
	return cli.ClientCommand(f, cmd, func(ctx context.Context, c *client.Client, _ []string) (api.Done, error) {
		return c.Transfer(ctx, to)
	}, printDone("leadership was handed over\n"))
}

func newRaftSnapshotCommand(f *cli.ClientFlags) *cobra.Command {
	return cli.ClientCommand(f, &cobra.Command{
		Use:   "snapshot [FILE]",
		Short: "Save the station's state to a file, or have the node cut its log",
		Long: `Save the station's state, as the node has it, to a file that 'fepha raft restore'
reads. Without FILE the node writes a snapshot to its own data folder and cuts
its log, as it does by itself from time to time.`,
		Example: "  fepha raft snapshot station.snapshot",
		Args:    cli.Args(cobra.MaximumNArgs(1)),
	}, func(ctx context.Context, c *client.Client, args []string) (api.Done, error) {
		if len(args) == 0 {
			return c.TakeSnapshot(ctx)
		}
		return api.Done{Done: true}, atomicfile.WriteFrom(args[0], 0o600, func(w io.Writer) error { return c.Snapshot(ctx, w) })
	}, func(w io.Writer, d api.Done) error {
		if d.Index == 0 {
			return printDone("saved\n")(w, d)
		}
		_, err := fmt.Fprintf(w, "the node has a snapshot up to log entry %d\n", d.Index)
		return err
	})
}

func newRaftRestoreCommand(f *cli.ClientFlags) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Replace the state of the whole station by a snapshot",
		Long: `Replace the state of the whole station by one that 'fepha raft snapshot' saved:
the journal, the points and the control centres' cursors go back to what they
were. What happened since is gone. All links are opened anew, which takes a
second. It is sent to the leader, whichever node --addr names.

It asks before it does, unless --yes is given.`,
		Example: "  fepha raft restore station.snapshot",
		Args:    cli.Args(cobra.ExactArgs(1)),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "don't ask")
	return cli.ClientCommand(f, cmd, func(ctx context.Context, c *client.Client, args []string) (d api.Done, err error) {
		file, err := os.Open(args[0])
		if err != nil {
			return d, cli.Usagef("%w", err)
		}
		defer file.Close()
		st, err := c.Status(ctx)
		if err != nil {
			return d, err
		}
		if !yes {
			question := fmt.Sprintf("Replace the state of station %d %q, with its journal up to event %d, by %s?", st.Station, st.Name, st.Journal.Last, args[0])
			if err := cli.Confirm(cmd, question); err != nil {
				return d, err
			}
		}
		for _, n := range st.Nodes {
			if n.ID == st.Leader && n.ID != st.Node && n.API != "" {
				c = cli.Peer(c, n.API)
			}
		}
		return c.Restore(ctx, file)
	}, printDone("restored; every device and control centre is being taken up again\n"))
}

func newRaftRemoveCommand(f *cli.ClientFlags) *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "remove ID",
		Short: "Take a node out of the group, since it is lost or to be replaced",
		Long: `Take a node out of the group, since it is lost or to be replaced. What it owned
goes to the other FEP, and its certificate is revoked: who has the machine can't
use it any more. To have it back, empty its data folder, give it a new certificate
('fepha tls init --renew'), start it, and add it ('fepha raft add').

With --keep-certificate the certificate stays in force: for a machine that you
still have, and whose data folder alone is lost.`,
		Example: "  fepha raft remove fep2",
		Args:    cli.Args(cobra.ExactArgs(1)),
	}
	cmd.Flags().BoolVar(&keep, "keep-certificate", false, "don't revoke the node's certificate")
	return cli.ClientCommand(f, cmd, func(ctx context.Context, c *client.Client, args []string) (api.Done, error) {
		return c.RemovePeer(ctx, args[0], keep)
	}, printDone("removed\n"))
}
