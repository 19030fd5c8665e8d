package fieldcmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/internal/plain"
)

type traceFlags struct {
	cli.ClientFlags
	node  string
	count int
	last  int
	pcap  string
}

// NewTraceCommand makes `fepha trace`.
func NewTraceCommand() *cobra.Command {
	var f traceFlags
	cmd := &cobra.Command{
		Use:   "trace",
		Short: "Show the frames on the wire, in words",
		Long: `Show the frames on the wire, in words, as they go: on all FEPs, or on --node.
What a FEP that doesn't own the RTU or the uplink does is seen too. With --json,
a frame a line. It runs until interrupted.

Each FEP keeps the last 2,000 frames of each link, so --last shows what was before
the fault, and --pcap writes them to a file that Wireshark opens.`,
	}
	f.Register(cmd)
	fl := cmd.PersistentFlags()
	fl.StringVar(&f.node, "node", "", "id of one FEP, to see only its links")
	fl.IntVar(&f.count, "count", 0, "end after this many frames; 0: never")
	fl.IntVar(&f.last, "last", 0, "begin with this many frames of each link that were before")
	fl.StringVar(&f.pcap, "pcap", "", "write the frames that --node keeps to this file (pcapng), and end")
	cmd.AddCommand(&cobra.Command{
		Use:     "rtu N",
		Short:   "Show the frames between the station and an RTU",
		Example: "  fepha trace rtu 1",
		Args:    cli.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := rtuArg(args)
			if err != nil {
				return err
			}
			c, err := f.Client()
			if err != nil {
				return err
			}
			if _, err := c.RTU(cmd.Context(), n); err != nil {
				return cli.ClientError(err)
			}
			return f.run(cmd, c, fsm.RTUResource(n))
		},
	}, &cobra.Command{
		Use:     "uplink NAME[/GROUP]",
		Short:   "Show the frames between the station and a group's clients",
		Example: "  fepha trace uplink occ/main",
		Args:    cli.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.Client()
			if err != nil {
				return err
			}
			name, group, err := uplinkArg(cmd.Context(), c, args[0])
			if err == nil {
				_, err = c.Uplink(cmd.Context(), name, group)
			}
			if err != nil {
				return cli.ClientError(err)
			}
			return f.run(cmd, c, fsm.UplinkResource(name, group))
		},
	})
	return cmd
}

// A TracedFrame is a line of a trace with the node that saw it.
type TracedFrame struct {
	Node string `json:"node"`
	api.TraceLine
}

// run traces on each node at once, until the user or all nodes have had enough.
func (f *traceFlags) run(cmd *cobra.Command, c *client.Client, resource string) error {
	nodes, err := f.nodes(cmd.Context(), c)
	if err != nil {
		return cli.ClientError(err)
	}
	if f.pcap != "" {
		return f.capture(cmd, c, resource, nodes)
	}
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	out := &traceOutput{w: f.Output(cmd), json: f.JSON, left: f.count}
	var wg sync.WaitGroup
	for _, n := range nodes {
		wg.Go(func() {
			err := cli.Peer(c, n.API).Trace(ctx, resource, f.last, func(l api.TraceLine) error { return out.print(TracedFrame{n.ID, l}) })
			if ctx.Err() == nil && !errors.Is(err, cli.ErrEnough) {
				fmt.Fprintf(cmd.ErrOrStderr(), "fepha: %s: %v\n", n.ID, err)
				return
			}
			cancel()
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil // interrupted, or enough
	}
	return errors.New("no node shows its frames any more")
}

// capture writes the frames that a node keeps to a file. Of two nodes each has its own clock, so one has to be named.
func (f *traceFlags) capture(cmd *cobra.Command, c *client.Client, resource string, nodes []api.NodeStatus) error {
	if len(nodes) > 1 {
		return cli.Usagef("--pcap: expected --node, one of %s and %s", nodes[0].ID, nodes[1].ID)
	}
	var file bytes.Buffer
	if err := cli.Peer(c, nodes[0].API).Capture(cmd.Context(), resource, &file); err != nil {
		return cli.ClientError(err)
	}
	if err := os.WriteFile(f.pcap, file.Bytes(), 0o600); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: the frames of %s on %s\n", f.pcap, resource, nodes[0].ID)
	return nil
}

// nodes are those whose links are looked at.
func (f *traceFlags) nodes(ctx context.Context, c *client.Client) ([]api.NodeStatus, error) {
	st, err := c.Status(ctx)
	if err != nil {
		return nil, err
	}
	var nodes []api.NodeStatus
	var ids []string
	for _, n := range st.Nodes {
		if n.Role != "fep" {
			continue
		}
		ids = append(ids, n.ID)
		if f.node == "" && n.Alive || f.node == n.ID {
			nodes = append(nodes, n)
		}
	}
	if len(nodes) == 0 {
		if f.node != "" {
			return nil, cli.Usagef("--node %q: expected one of %s", f.node, strings.Join(ids, ", "))
		}
		return nil, errors.New("no FEP is alive")
	}
	return nodes, nil
}

// traceOutput prints what comes from several nodes.
type traceOutput struct {
	mu   sync.Mutex
	w    io.Writer
	list *cli.List
	json bool
	left int // frames still to be printed; 0: no bound
}

func (o *traceOutput) print(f TracedFrame) (err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.json {
		err = json.NewEncoder(plain.JSONWriter(o.w)).Encode(f)
	} else {
		err = o.frame(f)
	}
	if err == nil && o.left > 0 {
		if o.left--; o.left == 0 {
			return cli.ErrEnough
		}
	}
	return err
}

func (o *traceOutput) frame(f TracedFrame) error {
	if f.Dropped > 0 {
		if _, err := fmt.Fprintf(o.w, "-- %s: %d frames are missing here: they came faster than they could be shown\n", f.Node, f.Dropped); err != nil || f.Direction == "" {
			return err
		}
	}
	arrow := "<-"
	if f.Direction == "sent" {
		arrow = "->"
	}
	if o.list == nil {
		o.list = cli.NewList(o.w, "TIME\tNODE\tWAY\tLINK\tFRAME", cli.ClockWidth)
	}
	return o.list.Add(cli.Row(cli.Clock(o.w, f.TimeMs), f.Node, arrow, f.Link, f.Text))
}
