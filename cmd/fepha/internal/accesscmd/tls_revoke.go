package accesscmd

import (
	"context"
	"io"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
)

func newTLSRevokeCommand() *cobra.Command {
	var f cli.ClientFlags
	var serial, list bool
	var reason string
	cmd := &cobra.Command{
		Use:   "revoke NAME|SERIAL",
		Short: "Put a certificate out of force on all nodes",
		Long: `Put a certificate out of force on all nodes at once: that with the serial number, or
all of the name that were made up to now. A certificate that is made for the name
later is good again. What has 24 hexadecimal digits or more is a serial number, as
'openssl x509 -serial' prints it; --serial says so of a shorter one.

'fepha raft remove ID' revokes that node's certificate too.`,
		Example: `  fepha tls revoke alice --reason 'laptop lost'
  fepha tls revoke --list`,
		Args: cli.Args(cobra.MaximumNArgs(1)),
	}
	f.Register(cmd)
	fl := cmd.Flags()
	fl.BoolVar(&serial, "serial", false, "the argument is a serial number")
	fl.BoolVar(&list, "list", false, "list what is revoked, and revoke nothing")
	fl.StringVar(&reason, "reason", "", "why, for the list")
	return cli.ClientCommand(&f, cmd, func(ctx context.Context, c *client.Client, args []string) ([]api.Revocation, error) {
		if list != (len(args) == 0) {
			return nil, cli.Usagef("expected a name, a serial number, or --list")
		}
		if !list {
			req := api.RevokeRequest{Name: args[0], Reason: reason}
			if serial || longHex.MatchString(args[0]) {
				req.Name, req.Serial = "", args[0]
			}
			if err := c.Revoke(ctx, req); err != nil {
				return nil, err
			}
		}
		return c.Revoked(ctx)
	}, func(w io.Writer, revoked []api.Revocation) error {
		var rows []string
		for _, r := range revoked {
			what := "serial " + r.Serial
			if r.Name != "" {
				what = r.Name + ", made up to then"
			}
			rows = append(rows, cli.Row(cli.Clock(w, r.AtMs), what, r.By, r.Reason))
		}
		return cli.Table(w, "REVOKED\tCERTIFICATE\tBY\tWHY", rows...)
	})
}

var longHex = regexp.MustCompile(`^([0-9A-Fa-f]:?){24,}$`)
