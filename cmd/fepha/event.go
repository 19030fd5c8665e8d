package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
)

func newEventCommand() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{Use: "event", Short: "Show events, and the audit in its place among them"}
	f.register(cmd)
	cmd.AddCommand(newEventListCommand(&f), newEventTailCommand(&f))
	return cmd
}

func newEventListCommand(f *clientFlags) *cobra.Command {
	var after uint64
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List events: the newest, or those after a number",
		Args:  args(cobra.NoArgs),
	}
	cmd.Flags().Uint64Var(&after, "after", 0, "list events after this number, oldest first")
	cmd.Flags().IntVar(&limit, "limit", 50, "how many at the most, 1 to 10000")
	return clientCommand(f, cmd, func(ctx context.Context, c *client.Client, _ []string) (api.EventPage, error) {
		if cmd.Flags().Changed("after") {
			return c.Events(ctx, after, limit)
		}
		return c.NewestEvents(ctx, limit)
	}, func(w io.Writer, p api.EventPage) error {
		for _, e := range p.Events {
			if err := printEvent(w, e); err != nil {
				return err
			}
		}
		return nil
	})
}

func newEventTailCommand(f *clientFlags) *cobra.Command {
	var lines, count int
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Print the newest events and go on with those that come",
		Long:  "Print the newest events and go on with those that come, until interrupted. With --json, an event a line.",
		Args:  args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return tailEvents(cmd.Context(), f, lines, count, cmd.OutOrStdout())
		},
	}
	cmd.Flags().IntVarP(&lines, "lines", "n", 10, "how many of the newest events first")
	cmd.Flags().IntVar(&count, "count", 0, "end after this many events; 0: never")
	return cmd
}

var errEnough = errors.New("enough")

func tailEvents(ctx context.Context, f *clientFlags, lines, count int, out io.Writer) error {
	c, err := f.client()
	if err != nil {
		return err
	}
	page, err := c.NewestEvents(ctx, max(lines, 1))
	if err != nil {
		return clientError(err)
	}
	after := page.Last
	if lines > 0 && len(page.Events) > 0 {
		after = page.Events[0].Seq - 1
	}
	return followed(c.FollowEvents(ctx, after, eventPrinter(f, count, out)))
}

// eventPrinter prints events, and says errEnough after count of them; 0: never.
func eventPrinter(f *clientFlags, count int, out io.Writer) func(api.Event) error {
	n := 0
	return func(e api.Event) error {
		if f.json {
			if err := json.NewEncoder(out).Encode(e); err != nil {
				return err
			}
		} else if err := printEvent(out, e); err != nil {
			return err
		}
		if n++; n == count {
			return errEnough
		}
		return nil
	}
}

// followed is how following ended: an interruption is no error.
func followed(err error) error {
	if errors.Is(err, errEnough) || errors.Is(err, context.Canceled) {
		return nil
	}
	return clientError(err)
}

func printEvent(w io.Writer, e api.Event) error {
	_, err := fmt.Fprintf(w, "%8d  %s  %s\n", e.Seq, clock(e.TimeMs), e.Text)
	return err
}
