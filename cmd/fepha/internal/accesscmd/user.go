package accesscmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
)

// NewUserCommand makes `fepha user`.
func NewUserCommand() *cobra.Command {
	var f cli.ClientFlags
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Let people in: users with passwords and roles",
		Long: `Let people in: users with passwords and roles. What is done on one node is in force
on all at once. Roles: viewer reads; operator also moves, pins, releases and sends
controls; engineer also applies configurations, traces, and changes members; admin
also manages users, tokens and certificates, and restores.

The first admin is made with the token of 'fepha station init' ('fepha user first'),
or on a node's own host, by root or the service's user:
  fepha user add alice --role admin --addr unix:/var/lib/fepha/fep1/admin.sock`,
	}
	f.Register(cmd)
	cmd.AddCommand(newUserFirstCommand(&f), newUserAddCommand(&f), newUserPasswdCommand(&f), newUserRoleCommand(&f), newUserListCommand(&f), newUserRemoveCommand(&f))
	return cmd
}

func newUserFirstCommand(f *cli.ClientFlags) *cobra.Command {
	var token, file string
	cmd := &cobra.Command{
		Use:   "first NAME",
		Short: "Make the first admin of a new station; the password is asked for",
		Long: `Make the first admin of a new station, with the token that 'fepha station init' has
written: it works once, before it ends, and while the station has no user.`,
		Example: "  fepha user first alice --token-file north/first-admin.token --addr https://10.91.2.66:7310 --ca north/tls/ca.pem",
		Args:    cli.Args(cobra.ExactArgs(1)),
	}
	fl := cmd.Flags()
	fl.StringVar(&token, "token-file", "", "file whose first line is the first admin's token (needed)")
	fl.StringVar(&file, "password-file", "", "file whose first line is the password, instead of asking for it; - is the standard input")
	return cli.ClientCommand(f, cmd, func(ctx context.Context, c *client.Client, args []string) (told, error) {
		if token == "" || token == "-" && file == "-" {
			return told{}, cli.Usagef("--token-file is needed, and the standard input can't be both files: first-admin.token in the folder of 'fepha station init'")
		}
		secret, err := firstLine(cmd, token, "token")
		if err != nil {
			return told{}, err
		}
		password, err := readPassword(cmd, file, "password of "+args[0])
		if err != nil {
			return told{}, err
		}
		err = c.FirstAdmin(ctx, api.FirstAdminRequest{Token: secret, Name: args[0], Password: password})
		if e, ok := errors.AsType[*api.Error](err); ok && e.Code == api.CodeUnauthorised {
			err = errors.New(e.Message) // alone: no other credentials would help
		}
		return told{args[0], "added as admin"}, err
	}, printTold)
}

func newUserAddCommand(f *cli.ClientFlags) *cobra.Command {
	var role, expires, file string
	cmd := &cobra.Command{Use: "add NAME", Short: "Make a user; the password is asked for", Args: cli.Args(cobra.ExactArgs(1))}
	fl := cmd.Flags()
	fl.StringVar(&role, "role", "", "viewer, operator, engineer or admin (needed)")
	fl.StringVar(&expires, "expires", "", "when the user ends: a date such as 2027-01-31, or how long from now such as 720h; default never")
	fl.StringVar(&file, "password-file", "", "file whose first line is the password, instead of asking for it; - is the standard input")
	return cli.ClientCommand(f, cmd, func(ctx context.Context, c *client.Client, args []string) (told, error) {
		if role == "" {
			return told{}, cli.Usagef("--role is needed: viewer, operator, engineer or admin")
		}
		end, err := endOf(expires, time.Now())
		if err != nil {
			return told{}, err
		}
		password, err := readPassword(cmd, file, "password of "+args[0])
		if err != nil {
			return told{}, err
		}
		err = c.AddUser(ctx, api.UserRequest{Name: args[0], Role: role, Password: password, ExpiresMs: end})
		return told{args[0], "added as " + role}, err
	}, printTold)
}

func newUserPasswdCommand(f *cli.ClientFlags) *cobra.Command {
	var file string
	cmd := &cobra.Command{Use: "passwd NAME", Short: "Give a user another password, who has to log in anew then", Args: cli.Args(cobra.ExactArgs(1))}
	cmd.Flags().StringVar(&file, "password-file", "", "file whose first line is the password, instead of asking for it; - is the standard input")
	return cli.ClientCommand(f, cmd, func(ctx context.Context, c *client.Client, args []string) (told, error) {
		password, err := readPassword(cmd, file, "new password of "+args[0])
		if err != nil {
			return told{}, err
		}
		return told{args[0], "has another password"}, c.ChangeUser(ctx, args[0], api.UserRequest{Password: password})
	}, printTold)
}

func newUserRoleCommand(f *cli.ClientFlags) *cobra.Command {
	var expires string
	cmd := &cobra.Command{Use: "role NAME [ROLE]", Short: "Give a user another role or another end, who has to log in anew then", Args: cli.Args(cobra.RangeArgs(1, 2))}
	cmd.Flags().StringVar(&expires, "expires", "", "when the user ends: a date, how long from now, or never")
	return cli.ClientCommand(f, cmd, func(ctx context.Context, c *client.Client, args []string) (told, error) {
		var change api.UserRequest
		var err error
		if change.ExpiresMs, err = endOf(expires, time.Now()); err != nil {
			return told{}, err
		}
		what := "ends " + expires
		if len(args) == 2 {
			change.Role, what = args[1], "is "+args[1]
		} else if expires == "" {
			return told{}, cli.Usagef("expected a role, or --expires")
		}
		return told{args[0], what}, c.ChangeUser(ctx, args[0], change)
	}, printTold)
}

func newUserListCommand(f *cli.ClientFlags) *cobra.Command {
	return cli.ViewCommand(f, &cobra.Command{Use: "list", Short: "List the users", Args: cli.Args(cobra.NoArgs)},
		func(ctx context.Context, c *client.Client, _ []string) ([]api.User, error) { return c.Users(ctx) },
		func(w io.Writer, users []api.User) error {
			var rows []string
			for _, u := range users {
				rows = append(rows, cli.Row(u.Name, u.Role, end(w, u.ExpiresMs, u.Expired), cli.Clock(w, u.UsedMs), u.Sessions))
			}
			return cli.Table(w, "NAME\tROLE\tENDS\tLAST LOGIN\tSESSIONS", rows...)
		})
}

func newUserRemoveCommand(f *cli.ClientFlags) *cobra.Command {
	return cli.ClientCommand(f, &cobra.Command{Use: "remove NAME", Short: "Remove a user and end what the user has open", Args: cli.Args(cobra.ExactArgs(1))},
		func(ctx context.Context, c *client.Client, args []string) (told, error) {
			return told{args[0], "removed"}, c.RemoveUser(ctx, args[0])
		}, printTold)
}

// told is what was done, and about whom.
type told struct {
	Name string `json:"name"`
	Done string `json:"done"`
}

func printTold(w io.Writer, t told) error {
	_, err := fmt.Fprintf(w, "%s: %s\n", t.Name, t.Done)
	return err
}

// end shows when something ends.
func end(w io.Writer, ms int64, over bool) string {
	switch {
	case ms == 0:
		return "never"
	case over:
		return cli.Clock(w, ms) + " (over)"
	}
	return cli.Clock(w, ms)
}

// endOf reads when something is to end, ms since 1970-01-01 UTC; nil: it isn't said.
func endOf(text string, now time.Time) (*int64, error) {
	if text == "" {
		return nil, nil
	}
	if text == "never" {
		return new(int64), nil
	}
	at, err := time.ParseInLocation(time.DateOnly, text, time.Local)
	if err != nil {
		d, err := time.ParseDuration(text)
		if err != nil {
			return nil, cli.Usagef("--expires %q: expected a date such as 2027-01-31, how long from now such as 720h, or never", text)
		}
		at = now.Add(d)
	}
	if !at.After(now) {
		return nil, cli.Usagef("--expires %q: expected a time to come", text)
	}
	return new(at.UnixMilli()), nil
}

// readPassword reads one from a file, or asks for it twice.
func readPassword(cmd *cobra.Command, file, what string) (string, error) {
	if file != "" {
		return firstLine(cmd, file, "password")
	}
	stdin, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(stdin.Fd())) {
		return "", cli.Usagef("no terminal to ask for the password at: expected --password-file")
	}
	var given [2]string
	for i, prompt := range []string{what + ": ", "once more: "} {
		fmt.Fprint(cmd.ErrOrStderr(), prompt)
		b, err := term.ReadPassword(int(stdin.Fd()))
		fmt.Fprintln(cmd.ErrOrStderr())
		if err != nil {
			return "", fmt.Errorf("reading the password: %w", err)
		}
		given[i] = string(b)
	}
	if given[0] != given[1] {
		return "", cli.Usagef("the two passwords differ")
	}
	return given[0], nil
}

// firstLine reads the first line of a file, or of the standard input.
func firstLine(cmd *cobra.Command, file, what string) (string, error) {
	in := cmd.InOrStdin()
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", cli.Usagef("--%s-file: %w", what, err)
		}
		defer f.Close()
		in = f
	}
	line, err := bufio.NewReader(io.LimitReader(in, 4096)).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", fmt.Errorf("reading the %s: %w", what, err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}
