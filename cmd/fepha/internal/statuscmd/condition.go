package statuscmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
)

// NewConditionCommand makes `fepha condition`.
func NewConditionCommand() *cobra.Command {
	var f cli.ClientFlags
	cmd := &cobra.Command{
		Use:   "condition",
		Short: "Show what is wrong, and take note of it",
		Long: `Show what is wrong with the station, since when, and what to do. The sentences
are Chinese where the environment's language is (LC_ALL, LC_MESSAGES or LANG).`,
	}
	f.Register(cmd)
	cmd.AddCommand(
		cli.ViewCommand(&f, &cobra.Command{
			Use:   "list",
			Short: "List what is wrong, the worst first",
			Args:  cli.Args(cobra.NoArgs),
		}, func(ctx context.Context, c *client.Client, _ []string) (api.Conditions, error) {
			return c.Conditions(ctx)
		},
			func(w io.Writer, list api.Conditions) error {
				return printConditions(w, list.Conditions, list.Quorum, list.Known, len(list.Conditions))
			}),
		cli.ClientCommand(&f, &cobra.Command{
			Use:   "ack ID",
			Short: "Tell the others that you have taken note of a condition",
			Long: `Tell the others that you have taken note of a condition, until it goes or gets
worse. It stays on the list.`,
			Example: "  fepha condition ack rtu.1.common_address",
			Args:    cli.Args(cobra.ExactArgs(1)),
		}, func(ctx context.Context, c *client.Client, args []string) (api.Condition, error) {
			return c.Acknowledge(ctx, args[0])
		}, func(w io.Writer, c api.Condition) error {
			_, err := fmt.Fprintf(w, "%s: acknowledged by %s\n", c.ID, c.AcknowledgedBy)
			return err
		}),
		newConditionHistoryCommand(&f),
	)
	return cmd
}

func newConditionHistoryCommand(f *cli.ClientFlags) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List what was wrong and isn't any more, the newest first",
		Args:  cli.Args(cobra.NoArgs),
	}
	cmd.Flags().IntVar(&limit, "limit", 50, "how many at the most, 1 to 500")
	return cli.ViewCommand(f, cmd, func(ctx context.Context, c *client.Client, _ []string) (api.Conditions, error) {
		return c.GoneConditions(ctx, limit)
	}, func(w io.Writer, list api.Conditions) error {
		var rows []string
		for _, c := range list.Conditions {
			text, _ := sentences(c)
			rows = append(rows, cli.Row(c.Severity, cli.Clock(w, c.SinceMs), cli.Clock(w, c.UntilMs), c.ID, c.Node, c.AcknowledgedBy, text))
		}
		return cli.Table(w, "SEVERITY\tFROM\tTO\tCONDITION\tREPORTED BY\tACKNOWLEDGED BY\tWHAT", rows...)
	})
}

// printConditions tells what is wrong, and what to do: the worst first, and no more than most.
func printConditions(w io.Writer, list []api.Condition, quorum, known bool, most int) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, emptyList(quorum, known))
		return err
	}
	for _, c := range list[:min(most, len(list))] {
		text, advice := sentences(c)
		acknowledged := ""
		if c.AcknowledgedBy != "" {
			acknowledged = fmt.Sprintf(", acknowledged by %s at %s", c.AcknowledgedBy, cli.Clock(w, c.AcknowledgedMs))
		}
		fmt.Fprintf(w, "%-7s  %s, since %s (%s)%s\n         %s\n         -> %s\n",
			strings.ToUpper(c.Severity), c.ID, cli.Clock(w, c.SinceMs), lasting(c.SinceMs), acknowledged, text, advice)
	}
	if n := len(list) - most; n > 0 {
		fmt.Fprintf(w, "and %d more: fepha condition list\n", n)
	}
	return nil
}

// emptyList says what it means that nothing is reported.
func emptyList(quorum, known bool) string {
	switch {
	case !quorum:
		return "NO QUORUM: it isn't known what is wrong"
	case !known:
		return "it isn't known yet what is wrong: the leader has just begun to look"
	}
	return "nothing is wrong"
}

// sentences are the condition's, in the language of the environment.
func sentences(c api.Condition) (text, advice string) {
	if inChinese() {
		return c.TextZH, c.AdviceZH
	}
	return c.Text, c.Advice
}

// inChinese tells whether the environment's language is Chinese (POSIX, 8.2: the first that is set counts).
func inChinese() bool {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := os.Getenv(name); v != "" {
			return strings.HasPrefix(v, "zh")
		}
	}
	return false
}

// lasting is for how long something has been so, as one says it.
func lasting(sinceMs int64) string {
	d := max(0, time.Since(time.UnixMilli(sinceMs)))
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}
