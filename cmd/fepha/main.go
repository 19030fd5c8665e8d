// Command fepha is the whole product in one binary: a station's node, the tools
// that look into it, simulators, and a station for one machine.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/internal/nearest"
	"github.com/fepha/fepha/internal/plain"
)

func main() {
	// The first signal asks to end; after that a second one ends the process
	// the hard way, should something hang.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop()
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main without the process: it returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && !errors.Is(err, cli.ErrTold) {
		fmt.Fprintf(stderr, "fepha: %s\n", plain.Text(err.Error()))
	}
	return cli.ExitCode(err)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "fepha",
		Short: "A pair of station front-end processors that behaves as one",
		Long: `fepha makes the two front-end processors of a station and a witness one group:
no alarm lost, no switch operated twice, never two masters.

Start with:  fepha dev     a whole station on this machine, with simulated
                           devices and a simulated control centre`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return cli.Usagef("%v%s\nsee '%s --help'", err, nearestFlag(cmd, err), cmd.CommandPath())
	})
	root.AddCommand(commands()...)
	root.AddCommand(moreCommands...)
	requireSubcommands(root)
	return root
}

// nearestFlag hints at the flag that a mistyped one was likely meant to be.
func nearestFlag(cmd *cobra.Command, err error) string {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return ""
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return nearest.Hint(unknown.GetSpecifiedName(), names)
}

// requireSubcommands makes a misspelt or missing subcommand a usage error
// instead of a help text with exit code 0.
func requireSubcommands(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		requireSubcommands(sub)
	}
	if cmd.HasSubCommands() && cmd.Run == nil && cmd.RunE == nil {
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				_ = cmd.Help()
				return cli.Usagef("'%s' needs a subcommand", cmd.CommandPath())
			}
			var names []string
			for _, sub := range cmd.Commands() {
				names = append(names, sub.Name())
			}
			return cli.Usagef("unknown command %q for '%s'%s: see '%s --help'", args[0], cmd.CommandPath(), nearest.Hint(args[0], names), cmd.CommandPath())
		}
	}
}
