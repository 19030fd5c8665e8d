package journalcmd

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/spf13/cobra"
	"github.com/xuri/excelize/v2"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/internal/atomicfile"
	"github.com/fepha/fepha/internal/plain"
)

// exportPage is how many events are asked for at a time.
const exportPage = 10_000

func newEventExportCommand(f *cli.ClientFlags) *cobra.Command {
	var filter eventFilter
	var format, out string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write events from the journal to a file, as CSV, XLSX or JSON lines",
		Long: `Write events from the journal to a file, as CSV, XLSX or JSON lines: all that the
journal still has, or what the filter leaves. What goes on by itself is an export of
station.yaml (docs/EXPORTS.md).`,
		Example: "  fepha event export --from 2026-11-29T00:00:00+08:00 --to 2026-11-30T00:00:00+08:00 --format xlsx --out soe.xlsx",
		Args:    cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := filter.query(time.Now())
			if err != nil {
				return err
			}
			sheet, err := sheetOf(format)
			if err != nil {
				return err
			}
			c, err := f.Client()
			if err != nil {
				return err
			}
			write := func(w io.Writer) error { return exportEvents(cmd.Context(), c, q, sheet, f.Output(cmd), w) }
			if out == "" {
				if format == "xlsx" {
					return cli.Usagef("--out: expected a file: a terminal can't show XLSX")
				}
				return write(cmd.OutOrStdout())
			}
			return atomicfile.WriteFrom(out, 0o644, write)
		},
	}
	filter.register(cmd)
	cmd.Flags().StringVar(&format, "format", "csv", "csv, xlsx or jsonl")
	cmd.Flags().StringVar(&out, "out", "", "the file; standard output if none")
	return cmd
}

// sheet takes events a row at a time; zone is an output in whose zone times are written.
type sheet func(zone, w io.Writer) (add func(api.Event) error, end func() error)

func sheetOf(format string) (sheet, error) {
	switch format {
	case "csv":
		return csvSheet, nil
	case "xlsx":
		return xlsxSheet, nil
	case "jsonl":
		return jsonSheet, nil
	}
	return nil, cli.Usagef("--format %q: expected csv, xlsx or jsonl", format)
}

// exportEvents writes all events that a filter leaves, oldest first, a page in memory at a time.
func exportEvents(ctx context.Context, c *client.Client, q url.Values, sheet sheet, zone, w io.Writer) error {
	buffered := bufio.NewWriter(w)
	add, end := sheet(zone, buffered)
	for after, more := uint64(0), true; more; {
		page, err := c.Events(ctx, after, exportPage, q)
		if err != nil {
			return cli.ClientError(err)
		}
		for _, e := range page.Events {
			if err := add(e); err != nil {
				return err
			}
		}
		after, more = page.Scanned, page.More
	}
	return errors.Join(end(), buffered.Flush())
}

func csvSheet(zone, w io.Writer) (add func(api.Event) error, end func() error) {
	out := csv.NewWriter(w)
	_ = out.Write(eventColumns)
	return func(e api.Event) error { return out.Write(eventRow(zone, e)) }, func() error {
		out.Flush()
		return out.Error()
	}
}

func jsonSheet(_, w io.Writer) (add func(api.Event) error, end func() error) {
	out := json.NewEncoder(plain.JSONWriter(w))
	return func(e api.Event) error { return out.Encode(e) }, func() error { return nil }
}

// xlsxSheet writes as it goes: the library keeps rows in a temporary file.
func xlsxSheet(zone, w io.Writer) (add func(api.Event) error, end func() error) {
	book := excelize.NewFile()
	stream, err := book.NewStreamWriter("Sheet1")
	row := 0
	put := func(cells []string) error {
		if err != nil {
			return err
		}
		if row++; row > excelize.TotalRows {
			return fmt.Errorf("more events than the %d rows of a sheet: export less with --from and --to", excelize.TotalRows)
		}
		values := make([]any, len(cells))
		for i, c := range cells {
			values[i] = c
		}
		return stream.SetRow(fmt.Sprint("A", row), values)
	}
	err = errors.Join(err, put(eventColumns))
	return func(e api.Event) error { return put(eventRow(zone, e)) }, func() error {
		return errors.Join(err, stream.Flush(), book.Write(w), book.Close())
	}
}
