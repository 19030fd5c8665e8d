package accesscmd

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
)

// NewTokenCommand makes `fepha token`.
func NewTokenCommand() *cobra.Command {
	var f cli.ClientFlags
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Let programs in: tokens with roles",
		Long: `Let programs in: tokens with roles. What is done on one node is in force on all at
once. For a way in that works without a quorum, see 'fepha tls token'.`,
	}
	f.Register(cmd)
	cmd.AddCommand(newTokenCreateCommand(&f), newTokenListCommand(&f), newTokenRevokeCommand(&f))
	return cmd
}

func newTokenCreateCommand(f *cli.ClientFlags) *cobra.Command {
	var role, expires string
	cmd := &cobra.Command{Use: "create NAME", Short: "Make a token and print it, this once", Args: cli.Args(cobra.ExactArgs(1))}
	fl := cmd.Flags()
	fl.StringVar(&role, "role", "", "viewer, operator, engineer or admin (needed)")
	fl.StringVar(&expires, "expires", "", "when the token ends: a date such as 2027-01-31, or how long from now such as 720h; default never")
	return cli.ClientCommand(f, cmd, func(ctx context.Context, c *client.Client, args []string) (api.NewToken, error) {
		if role == "" {
			return api.NewToken{}, cli.Usagef("--role is needed: viewer, operator, engineer or admin")
		}
		req := api.TokenRequest{Name: args[0], Role: role}
		end, err := endOf(expires, time.Now())
		if err != nil {
			return api.NewToken{}, err
		}
		if end != nil {
			req.ExpiresMs = *end
		}
		return c.CreateToken(ctx, req)
	}, func(w io.Writer, t api.NewToken) error {
		_, err := fmt.Fprintln(w, t.Secret)
		return err
	})
}

func newTokenListCommand(f *cli.ClientFlags) *cobra.Command {
	return cli.ViewCommand(f, &cobra.Command{Use: "list", Short: "List the tokens: the station's, and those of the node's tokens.yaml", Args: cli.Args(cobra.NoArgs)},
		func(ctx context.Context, c *client.Client, _ []string) ([]api.Token, error) { return c.Tokens(ctx) },
		func(w io.Writer, tokens []api.Token) error {
			var rows []string
			for _, t := range tokens {
				rows = append(rows, cli.Row(t.Name, t.Role, t.Source, end(w, t.ExpiresMs, t.Expired), cli.Clock(w, t.UsedMs)))
			}
			return cli.Table(w, "NAME\tROLE\tOF\tENDS\tLAST USED", rows...)
		})
}

func newTokenRevokeCommand(f *cli.ClientFlags) *cobra.Command {
	return cli.ClientCommand(f, &cobra.Command{Use: "revoke NAME", Short: "Take a token of the station out of force", Args: cli.Args(cobra.ExactArgs(1))},
		func(ctx context.Context, c *client.Client, args []string) (told, error) {
			return told{args[0], "revoked"}, c.RevokeToken(ctx, args[0])
		}, printTold)
}
