package fnpcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
)

// NewFNPCommand makes `fepha fnp`.
func NewFNPCommand() *cobra.Command {
	var f cli.ClientFlags
	cmd := &cobra.Command{
		Use:   "fnp",
		Short: "Look at FNP's channel table, send data to stations, run a station",
	}
	client := func(sub *cobra.Command) *cobra.Command {
		f.Register(sub)
		return sub
	}
	cmd.AddCommand(client(newFNPTableCommand(&f)), client(newFNPShowCommand(&f)), client(newFNPSendCommand(&f)),
		client(newFNPMessagesCommand(&f)), client(newFNPLeaveCommand(&f)), newFNPStationCommand())
	return cmd
}

// fnpPage is how many entries are asked for at once.
const fnpPage = 5000

func newFNPTableCommand(f *cli.ClientFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "table",
		Short: "Print the channel table",
		Args:  cli.Args(cobra.NoArgs),
	}
	return cli.ViewCommand(f, cmd, func(ctx context.Context, c *client.Client, _ []string) (api.FNPTable, error) {
		return wholeFNPTable(ctx, c)
	}, func(w io.Writer, t api.FNPTable) error {
		rows := make([]string, 0, len(t.Stations))
		for _, e := range t.Stations {
			rows = append(rows, fnpRow(w, e))
		}
		return cli.Table(w, fnpHeader, rows...)
	})
}

// wholeFNPTable reads all pages, which may be of several versions.
func wholeFNPTable(ctx context.Context, c *client.Client) (api.FNPTable, error) {
	whole, err := c.FNPTable(ctx, 0, fnpPage)
	for err == nil && whole.Next != 0 {
		var page api.FNPTable
		page, err = c.FNPTable(ctx, whole.Next, fnpPage)
		page.Stations = slices.Concat(whole.Stations, page.Stations)
		whole = page
	}
	return whole, err
}

const fnpHeader = "CN\tID\tNAME\tLEVEL\tADDRESS\tPORT\tSTATE\tTIME\tREMARKS"

func fnpRow(w io.Writer, e api.FNPEntry) string {
	state := "offline"
	if e.Online {
		state = "online"
	}
	remarks := ""
	if e.Contested {
		remarks = "another station claims this id"
		if e.Rival != nil {
			remarks = "claimed by " + fnpRival(w, e.Rival)
		}
	}
	return cli.Row(e.CN, e.ID, e.Name, e.Level, e.Addr, e.Port, state, time.Duration(e.Time)*time.Second, remarks)
}

func fnpRival(w io.Writer, r *api.FNPRival) string {
	return fmt.Sprintf("%q at %s too, since %s", r.Name, net.JoinHostPort(r.Addr, strconv.Itoa(int(r.Port))), cli.Clock(w, r.SinceMs))
}

func newFNPShowCommand(f *cli.ClientFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show [ID]",
		Short: "Show the centre, the pair's endpoint and what they count; with ID, a station's entry",
		Args:  cli.Args(cobra.MaximumNArgs(1)),
	}
	return cli.ViewCommand(f, cmd, func(ctx context.Context, c *client.Client, args []string) (any, error) {
		if len(args) == 0 {
			return c.FNP(ctx)
		}
		id, err := fnpIDArg(args[0])
		if err != nil {
			return nil, err
		}
		return c.FNPEntry(ctx, id)
	}, func(w io.Writer, v any) error {
		if e, ok := v.(api.FNPEntry); ok {
			return cli.Table(w, fnpHeader, fnpRow(w, e))
		}
		return printFNP(w, v.(api.FNPStatus))
	})
}

func fnpIDArg(text string) (uint64, error) {
	id, err := strconv.ParseUint(text, 10, 53)
	if err != nil || id == 0 {
		return 0, cli.Usagef("%q: expected a station's id, 1 to 2^53-1", text)
	}
	return id, nil
}

func printFNP(w io.Writer, st api.FNPStatus) error {
	c := st.Centre
	fmt.Fprintf(w, "centre %d %q, level %d: %s leads", c.ID, c.Name, c.Level, cli.Dash(c.Leader))
	if c.Defers {
		fmt.Fprintf(w, ", and defers to the centre at %s", c.DefersTo)
	}
	if !c.Listening {
		fmt.Fprintf(w, "\nthis node hears no station: its address %s isn't there yet", cli.Dash(c.Addresses[st.Node]))
	}
	fmt.Fprintf(w, "\ntable %s version %d: %d stations, %d online, %d contested\n", c.Table, c.Version, c.Stations, c.Online, c.Contested)
	fmt.Fprintf(w, "multicast %s\n", cli.Dash(c.Multicast))
	if e := st.Endpoint; e != nil {
		fmt.Fprintf(w, "endpoint %d %q: on %s at %s, epoch %d, %s since %s", e.ID, e.Name, cli.Dash(e.Owner), cli.Dash(e.Address), e.Epoch, e.Phase, cli.Clock(w, e.SinceMs))
		if e.State != "" {
			fmt.Fprintf(w, "\n  %s on channel %d, %d messages wait to be acknowledged\n  %s", e.State, e.CN, e.Waiting, counters(e.Counters))
		}
		fmt.Fprintln(w)
	}
	_, err := fmt.Fprintf(w, "counted by the centre on %s: %s\n", st.Node, counters(c.Counters))
	return err
}

// counters lists what is not 0, by name.
func counters(counts map[string]uint64) string {
	var list []string
	for name, n := range counts {
		if n > 0 {
			list = append(list, fmt.Sprintf("%s %d", strings.ReplaceAll(name, "_", " "), n))
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func newFNPSendCommand(f *cli.ClientFlags) *cobra.Command {
	var m api.FNPMessage
	var file string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "send (--to ID | --cn N) (DATA | --file FILE)",
		Short: "Send data from the pair's endpoint to a station and wait for the acknowledgement",
		Long: `Send data, at most 65536 octets, from the pair's endpoint to a station and wait
for the acknowledgement. It goes out from the FEP that owns the endpoint,
whichever node is asked. An id or channel that the table does not have, and a
station that does not answer, are told apart; the exit code is 1 for both.`,
		Example: `  fepha fnp send --to 1001 "hello"
  fepha fnp send --cn 7 --file plan.bin --in-order`,
		Args: cli.Args(cobra.MaximumNArgs(1)),
	}
	fl := cmd.Flags()
	fl.Uint64Var(&m.To, "to", 0, "id of the station")
	fl.Uint16Var(&m.CN, "cn", 0, "channel number of the station, which may change: an id is safer")
	fl.StringVar(&file, "file", "", "send what is in this file; - is the standard input")
	fl.BoolVar(&m.InOrder, "in-order", false, "deliver it after what was sent in order before")
	fl.DurationVar(&timeout, "timeout", 30*time.Second, "for the acknowledgement, at most 2m")
	return cli.ClientCommand(f, cmd, func(ctx context.Context, c *client.Client, args []string) (sent api.FNPSent, err error) {
		m.TimeoutMs = timeout.Milliseconds()
		switch {
		case (m.To == 0) == (m.CN == 0):
			return sent, cli.Usagef("expected either --to or --cn")
		case (len(args) == 1) == (file != ""):
			return sent, cli.Usagef("expected either DATA or --file")
		case timeout < time.Millisecond:
			return sent, cli.Usagef("--timeout %v: expected more than 0", timeout)
		case file == "-":
			m.Data, err = io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxFNPFile))
		case file != "":
			m.Data, err = os.ReadFile(file)
		default:
			m.Data = []byte(args[0])
		}
		if err != nil {
			return sent, cli.Usagef("--file: %w", err)
		}
		if err := toFNPOwner(ctx, c); err != nil {
			return sent, err
		}
		return c.FNPSend(ctx, m)
	}, func(w io.Writer, s api.FNPSent) error {
		_, err := fmt.Fprintf(w, "acknowledged: %d octets by station %d on channel %d after %d ms\n", s.Octets, s.To, s.CN, s.Ms)
		return err
	})
}

// maxFNPFile is more than may be sent, so that the node says what is too much.
const maxFNPFile = 128 << 10

// toFNPOwner turns a client to the node that owns the endpoint.
func toFNPOwner(ctx context.Context, c *client.Client) error {
	st, err := c.FNP(ctx)
	switch {
	case err != nil:
		return err
	case st.Endpoint == nil:
		return errors.New("this pair has no FNP endpoint: see fnp.endpoint in station.yaml")
	case st.Endpoint.Owner == "":
		return cli.Exit(cli.ExitNoLeader, errors.New("nobody owns the FNP endpoint just now"))
	case st.Endpoint.Owner != st.Node:
		*c = *cli.Peer(c, st.Endpoint.API)
	}
	return nil
}

func newFNPMessagesCommand(f *cli.ClientFlags) *cobra.Command {
	var after uint64
	var limit int
	cmd := &cobra.Command{
		Use:   "messages",
		Short: "Print what the pair's endpoint has received",
		Long: `Print what the pair's endpoint has received, oldest first. Every node has the
newest 256 messages, at most 1 MiB.`,
		Args: cli.Args(cobra.NoArgs),
	}
	cmd.Flags().Uint64Var(&after, "after", 0, "only those after this number")
	cmd.Flags().IntVar(&limit, "limit", 1000, "how many at the most, 1 to 10000")
	asked := func(ctx context.Context, c *client.Client, _ []string) (api.FNPMessages, error) {
		return c.FNPMessages(ctx, after, limit)
	}
	return cli.ViewCommand(f, cmd, asked, func(w io.Writer, m api.FNPMessages) error {
		rows := make([]string, 0, len(m.Messages))
		for _, r := range m.Messages {
			rows = append(rows, cli.Row(r.Number, cli.Clock(w, r.TimeMs), r.From, len(r.Data), readable(r.Data)))
		}
		return cli.Table(w, "NUMBER\tTIME\tFROM\tOCTETS\tDATA", rows...)
	})
}

// readable shows data as text if it is one, else in hex, and its beginning only if it is long.
func readable(data []byte) string {
	const most = 60
	text := string(data)
	if !utf8.Valid(data) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		text = fmt.Sprintf("%x", data)
	}
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return text
}

func newFNPLeaveCommand(f *cli.ClientFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "leave ID",
		Short: "Make a station offline as if it had left",
		Long: `Make a station offline as if it had left, such as one that is known to be gone.
One that is alive is back with its next Register, after 10 s at the latest.`,
		Args: cli.Args(cobra.ExactArgs(1)),
	}
	return cli.ClientCommand(f, cmd, func(ctx context.Context, c *client.Client, args []string) (api.FNPEntry, error) {
		id, err := fnpIDArg(args[0])
		if err != nil {
			return api.FNPEntry{}, err
		}
		return c.FNPLeave(ctx, id)
	}, func(w io.Writer, e api.FNPEntry) error { return cli.Table(w, fnpHeader, fnpRow(w, e)) })
}
