package journalcmd

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/internal/atomicfile"
	"github.com/fepha/fepha/internal/plain"
)

// NewAuditCommand makes `fepha audit`.
func NewAuditCommand() *cobra.Command {
	var f cli.ClientFlags
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Show who did what, and prove it",
		Long: "The audit holds controls, moves, pins, logins, configurations, and what was refused: the newest 25,000 of controls, and\n" +
			"as many of all else. Each entry is chained to the one before by its hash, so none can be changed or taken out unnoticed.",
	}
	f.Register(cmd)
	cmd.AddCommand(newAuditListCommand(&f), newAuditTailCommand(&f), newAuditVerifyCommand(&f), newAuditExportCommand(&f))
	return cmd
}

func newAuditListCommand(f *cli.ClientFlags) *cobra.Command {
	var after uint64
	var limit int
	cmd := &cobra.Command{Use: "list", Short: "List entries: the newest, or those after a number", Args: cli.Args(cobra.NoArgs)}
	cmd.Flags().Uint64Var(&after, "after", 0, "list entries after this number, oldest first")
	cmd.Flags().IntVar(&limit, "limit", 50, "how many at the most, 1 to 10000")
	return cli.ViewCommand(f, cmd, func(ctx context.Context, c *client.Client, _ []string) (api.AuditPage, error) {
		if cmd.Flags().Changed("after") {
			return c.Audit(ctx, after, limit)
		}
		return c.NewestAudit(ctx, limit)
	}, func(w io.Writer, p api.AuditPage) error {
		journal := newJournal(w)
		for _, e := range p.Entries {
			if err := journal.Add(journalRow(w, e.Number, e.TimeMs, e.Text)); err != nil {
				return err
			}
		}
		return nil
	})
}

func newAuditTailCommand(f *cli.ClientFlags) *cobra.Command {
	var count int
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Print entries as they come",
		Long:  "Print entries as they come, until interrupted. With --json, an entry a line, as `event tail` shows it.",
		Args:  cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := f.Client()
			if err != nil {
				return err
			}
			status, err := client.Status(cmd.Context())
			if err != nil {
				return cli.ClientError(err)
			}
			return cli.Followed(client.FollowAudit(cmd.Context(), status.Journal.Last, eventPrinter(f, count, f.Output(cmd))))
		},
	}
	cmd.Flags().IntVar(&count, "count", 0, "end after this many entries; 0: never")
	return cmd
}

func newAuditVerifyCommand(f *cli.ClientFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify [FILE]",
		Short: "Check that no entry was changed or taken out",
		Long: "Check the hash of every entry, and that each follows the one before: of what the station holds, or of a file that\n" +
			"`audit export` wrote.",
		Args: cli.Args(cobra.MaximumNArgs(1)),
	}
	return cli.ClientCommand(f, cmd, func(ctx context.Context, c *client.Client, args []string) (api.AuditReport, error) {
		var check api.AuditCheck
		if len(args) == 0 {
			err := c.EachAudit(ctx, 0, check.Add)
			return check.Report(), err
		}
		err := readAudit(args[0], check.Add)
		return check.Report(), err
	}, printAuditReport)
}

func newAuditExportCommand(f *cli.ClientFlags) *cobra.Command {
	var after uint64
	var output string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the audit as lines of JSON, with the hashes that prove it",
		Args:  cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := f.Client()
			if err != nil {
				return err
			}
			write := func(w io.Writer) error {
				var check api.AuditCheck
				out := json.NewEncoder(plain.JSONWriter(w))
				out.SetEscapeHTML(false)
				return client.EachAudit(cmd.Context(), after, func(e api.AuditEntry) error {
					return errors.Join(check.Add(e), out.Encode(e))
				})
			}
			if output == "" {
				return cli.ClientError(write(cmd.OutOrStdout()))
			}
			return cli.ClientError(atomicfile.WriteFrom(output, 0o600, write))
		},
	}
	cmd.Flags().Uint64Var(&after, "after", 0, "only entries after this number")
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write; standard output if there is none")
	return cmd
}

// maxAuditLine is how many octets a line of an export may have.
const maxAuditLine = 64 << 10

// readAudit reads what export wrote.
func readAudit(path string, each func(api.AuditEntry) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxAuditLine)
	for n := 1; lines.Scan(); n++ {
		var e api.AuditEntry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("%s:%d: expected an entry of the audit as JSON: %w", path, n, err)
		}
		if err := each(e); err != nil {
			return fmt.Errorf("%s:%d: %w", path, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func printAuditReport(w io.Writer, r api.AuditReport) error {
	var names []string
	for name := range r.Chains {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		c := r.Chains[name]
		if _, err := fmt.Fprintf(w, "chain %-8s  entries %d to %d, %d of them, each follows the one before; hash %s\n", name, c.First, c.Last, c.Entries, c.Hash); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%d entries: none was changed, none is missing\n", r.Entries)
	return err
}
