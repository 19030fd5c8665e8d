package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
)

func newRaftCommand() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{Use: "raft", Short: "Show the Raft group that the nodes form"}
	f.register(cmd)
	cmd.AddCommand(clientCommand(&f, &cobra.Command{
		Use:   "status",
		Short: "Show leader, term, indices and lease as one node sees them",
		Args:  args(cobra.NoArgs),
	}, func(ctx context.Context, c *api.Client, _ []string) (api.RaftStatus, error) { return c.Raft(ctx) }, printRaft))
	return cmd
}

func printRaft(w io.Writer, r api.RaftStatus) error {
	fmt.Fprintf(w, "%s is %s in term %d, leader %s, quorum %s, lease %s (%d ms left)\n", r.Node, dash(r.State), r.Term,
		dash(r.Leader), yesNo(r.Quorum), yesNo(r.Lease), r.LeaseLeftMs)
	fmt.Fprintf(w, "log: committed %d, applied %d, last %d; commit latency p50 %v, p99 %v\n\n", r.CommitIndex, r.AppliedIndex,
		r.LastIndex, time.Duration(r.CommitP50Us)*time.Microsecond, time.Duration(r.CommitP99Us)*time.Microsecond)
	var rows []string
	for _, p := range r.Peers {
		rows = append(rows, row(p.ID, p.Role, p.Address, p.State, yesNo(p.Voter), yesNo(p.Alive), p.AppliedIndex, p.LastContactMs))
	}
	return table(w, "NODE\tROLE\tADDRESS\tSTATE\tVOTER\tALIVE\tAPPLIED\tLAST CONTACT MS", rows...)
}
