package fieldcmd

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/internal/atomicfile"
)

// newFilesCommand makes `fepha rtu files`.
func newFilesCommand(f *cli.ClientFlags) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "files N [get NAME -o FILE]",
		Short: "List the copies of an RTU's files, such as disturbance records, or get one",
		Long: `List the copies of the files that an RTU's device has, such as disturbance
records, or get one. The owner of an RTU with files: true fetches what its device
offers; the other FEP copies it from there. What a copy is, its check sum says: one
that isn't whole is never shown.`,
		Example: `  fepha rtu files 1
  fepha rtu files 1 get 30001.2 -o fault.dat`,
		Args: cli.Args(func(_ *cobra.Command, args []string) error {
			if len(args) == 1 || len(args) == 3 && args[1] == "get" {
				return nil
			}
			return errors.New("expected the RTU's number, or its number, get and a file's name")
		}),
	}
	cmd = cli.ViewCommand(f, cmd, func(ctx context.Context, c *client.Client, args []string) (list api.FileList, err error) {
		n, err := rtuArg(args)
		if err != nil {
			return list, err
		}
		return list, fromFEP(ctx, c, func(c *client.Client) error {
			list, err = c.Files(ctx, n)
			return err
		})
	}, printFiles)
	list := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 1 && output == "":
			return list(cmd, args)
		case len(args) == 1:
			return cli.Usagef("--output: expected get and a file's name")
		case output == "":
			return cli.Usagef("expected --output (-o), where the file is to go")
		}
		n, err := rtuArg(args)
		if err != nil {
			return err
		}
		c, err := f.Client()
		if err != nil {
			return err
		}
		var octets int64
		err = fromFEP(cmd.Context(), c, func(c *client.Client) error {
			return atomicfile.WriteFrom(output, 0o600, func(w io.Writer) (err error) {
				octets, err = c.File(cmd.Context(), n, args[2], w)
				return err
			})
		})
		if err != nil {
			return cli.ClientError(err)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d octets of file %s of RTU %d\n", output, octets, args[2], n)
		return err
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "where the file is to go")
	return cmd
}

// fromFEP asks the node that was named, and, where it has no copies, the FEPs.
func fromFEP(ctx context.Context, c *client.Client, ask func(*client.Client) error) error {
	err := ask(c)
	refused, ok := errors.AsType[*api.Error](err)
	if !ok || refused.Code != api.CodeNotFound {
		return err
	}
	st, bad := c.Status(ctx)
	if bad != nil {
		return err
	}
	for _, n := range st.Nodes {
		if n.Role == "fep" && n.Alive && ask(cli.Peer(c, n.API)) == nil {
			return nil
		}
	}
	return err
}

// nofs are what files have, by NOF (101, clause 7.2.6.33).
var nofs = map[uint16]string{1: "transparent", 2: "disturbance", 3: "events", 4: "analogue"}

func printFiles(w io.Writer, l api.FileList) error {
	if len(l.Files) == 0 {
		_, err := fmt.Fprintf(w, "%s has no files of this RTU\n", l.Node)
		return err
	}
	var rows []string
	for _, f := range l.Files {
		what := nofs[f.NOF]
		if what == "" {
			what = fmt.Sprintf("NOF %d", f.NOF)
		}
		rows = append(rows, cli.Row(f.Name, what, f.Length, f.Time, cli.Clock(w, f.FetchedMs), f.Node, f.SHA256[:min(16, len(f.SHA256))]))
	}
	return cli.Table(w, "NAME\tWHAT\tOCTETS\tMADE (DEVICE)\tFETCHED\tBY\tSHA-256", rows...)
}
