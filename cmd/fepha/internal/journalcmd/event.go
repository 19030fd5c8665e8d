package journalcmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/internal/plain"
)

// NewEventCommand makes `fepha event`.
func NewEventCommand() *cobra.Command {
	var f cli.ClientFlags
	cmd := &cobra.Command{Use: "event", Short: "Show events, and the audit in its place among them"}
	f.Register(cmd)
	cmd.AddCommand(newEventListCommand(&f), newEventTailCommand(&f), newEventExportCommand(&f))
	return cmd
}

// eventFilter are the flags that say which events are asked for.
type eventFilter struct{ rtu, kind, point, severity, text, from, to string }

func (e *eventFilter) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&e.rtu, "rtu", "", "only of this RTU, by its number")
	fl.StringVar(&e.kind, "kind", "", "only di, ai, counter, bitstring, note, or notes of a kind: owner, control, online, condition, ...")
	fl.StringVar(&e.point, "point", "", "only of points with this number")
	fl.StringVar(&e.severity, "severity", "", "only conditions of this severity: alarm or warning")
	fl.StringVar(&e.text, "text", "", "only what has this in its text; upper and lower case are the same")
	fl.StringVar(&e.from, "from", "", "only from this time on, such as 2026-11-29T03:04:05+08:00, or 2h for two hours ago")
	fl.StringVar(&e.to, "to", "", "only before this time")
}

// query is the filter as the API takes it.
func (e *eventFilter) query(now time.Time) (url.Values, error) {
	q := url.Values{}
	for name, v := range map[string]string{"rtu": e.rtu, "kind": e.kind, "point": e.point, "severity": e.severity, "text": e.text} {
		if v != "" {
			q.Set(name, v)
		}
	}
	for name, v := range map[string]string{"from": e.from, "to": e.to} {
		if v == "" {
			continue
		}
		if ago, err := time.ParseDuration(v); err == nil {
			v = now.Add(-ago).Format(time.RFC3339Nano)
		} else if _, err := time.Parse(time.RFC3339, v); err != nil {
			return nil, cli.Usagef("--%s %q: expected a time such as 2026-11-29T03:04:05+08:00, or how long ago, such as 2h", name, v)
		}
		q.Set(name, v)
	}
	return q, nil
}

func newEventListCommand(f *cli.ClientFlags) *cobra.Command {
	var filter eventFilter
	var after uint64
	var limit int
	var asCSV bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List events: the newest, or those after a number",
		Example: "  fepha event list --rtu 1 --kind di --from 2h\n  fepha event list --after 0 --limit 10000 --csv >events.csv",
		Args:    cli.Args(cobra.NoArgs),
	}
	filter.register(cmd)
	cmd.Flags().Uint64Var(&after, "after", 0, "list events after this number, oldest first")
	cmd.Flags().IntVar(&limit, "limit", 50, "how many at the most, 1 to 10000")
	cmd.Flags().BoolVar(&asCSV, "csv", false, "print CSV with a heading")
	return cli.ViewCommand(f, cmd, func(ctx context.Context, c *client.Client, _ []string) (page api.EventPage, err error) {
		q, err := filter.query(time.Now())
		if err != nil {
			return page, err
		}
		if cmd.Flags().Changed("after") {
			return c.Events(ctx, after, limit, q)
		}
		return c.NewestEvents(ctx, limit, q)
	}, func(w io.Writer, p api.EventPage) error {
		if asCSV {
			return writeEvents(w, p.Events)
		}
		journal := newJournal(w)
		for _, e := range p.Events {
			if err := journal.Add(journalRow(w, e.Seq, e.TimeMs, e.Text)); err != nil {
				return err
			}
		}
		return nil
	})
}

// writeEvents writes CSV with the times of its output's zone.
func writeEvents(w io.Writer, events []api.Event) error {
	add, end := csvSheet(w, w)
	for _, e := range events {
		if err := add(e); err != nil {
			return err
		}
	}
	return end()
}

var eventColumns = []string{"seq", "time", "rtu", "kind", "point", "value", "quality", "text"}

// eventRow is an event as texts, in the order of eventColumns, with its time in an output's zone.
func eventRow(zone io.Writer, e api.Event) []string {
	r := []string{fmt.Sprint(e.Seq), cli.Clock(zone, e.TimeMs), "", e.Kind, "", "", "", e.Text}
	if e.RTU != 0 {
		r[2], r[4] = fmt.Sprint(e.RTU), fmt.Sprint(e.Point)
	}
	if e.Note != nil {
		r[3] = e.Note.Kind
	} else {
		r[5], r[6] = fmt.Sprint(float64(e.Value)), api.QualityWords(e.Type, e.Quality)
	}
	return r
}

func newEventTailCommand(f *cli.ClientFlags) *cobra.Command {
	var filter eventFilter
	var lines, count int
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Print the newest events and go on with those that come",
		Long:  "Print the newest events and go on with those that come, until interrupted. With --json, an event a line.",
		Args:  cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := filter.query(time.Now())
			if err != nil {
				return err
			}
			return tailEvents(cmd, f, q, lines, count)
		},
	}
	filter.register(cmd)
	cmd.Flags().IntVarP(&lines, "lines", "n", 10, "how many of the newest events first")
	cmd.Flags().IntVar(&count, "count", 0, "end after this many events; 0: never")
	return cmd
}

func tailEvents(cmd *cobra.Command, f *cli.ClientFlags, q url.Values, lines, count int) error {
	ctx := cmd.Context()
	c, err := f.Client()
	if err != nil {
		return err
	}
	page, err := c.NewestEvents(ctx, max(lines, 1), q)
	if err != nil {
		return cli.ClientError(err)
	}
	after := page.Last
	if lines > 0 && len(page.Events) > 0 {
		after = page.Events[0].Seq - 1
	}
	return cli.Followed(c.FollowEvents(ctx, after, eventPrinter(f, count, f.Output(cmd)), q))
}

// eventPrinter prints events, and says cli.ErrEnough after count of them; 0: never.
func eventPrinter(f *cli.ClientFlags, count int, out io.Writer) func(api.Event) error {
	n, journal := 0, newJournal(out)
	return func(e api.Event) error {
		if f.JSON {
			if err := json.NewEncoder(plain.JSONWriter(out)).Encode(e); err != nil {
				return err
			}
		} else if err := journal.Add(journalRow(out, e.Seq, e.TimeMs, e.Text)); err != nil {
			return err
		}
		if n++; n == count {
			return cli.ErrEnough
		}
		return nil
	}
}

// newJournal is a list of events, or of entries of the audit.
func newJournal(w io.Writer) *cli.List {
	return cli.NewList(w, "NUMBER\tTIME\tWHAT", 8, cli.ClockWidth)
}

// journalRow is one of them.
func journalRow(w io.Writer, number uint64, ms int64, text string) string {
	return cli.Row(number, cli.Clock(w, ms), text)
}
