package installcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/internal/nodebundle"
)

// The places of a node on its machine, and the user that runs it, as the unit fepha@.service has them.
const (
	etcDir  = "/etc/fepha"
	dataDir = "/var/lib/fepha" // with a folder a node
	service = "fepha"          // user and group
)

// Check looks at the machine when the files are in place, and says what it finds; its error is what the node could not run with.
type Check func(ctx context.Context, out io.Writer, config, node, dataDir string) error

// NewInstallCommand makes `fepha node install`. Checks are those of the machine, after the ones of the files; below a folder they
// are left out, since that's another machine's.
func NewInstallCommand(checks ...Check) *cobra.Command {
	var root string
	var noStart bool
	cmd := &cobra.Command{
		Use:   "install BUNDLE",
		Short: "Make this machine a node of a station, from a bundle of 'fepha station init'",
		Long: `Make this machine a node of a station, as root: put what the bundle has into
/etc/fepha and /var/lib/fepha with the service's owner and modes, check it, and enable
and start the unit fepha@NODE. fepha's package, or scripts/install, has been installed.

Nothing is touched before the whole bundle is found right. It may be repeated: the
node's data stays, and files of the configuration that were others are kept in
/etc/fepha/before-install. A machine that is another node, or one of another station,
is refused.`,
		Example: `  fepha node install fep1.tar.zst
  fepha node install fep1.tar.zst --root /mnt/image`,
		Args: cli.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if root == "" && os.Geteuid() != 0 {
				return cli.Usagef("expected to run as root (or --root DIR)")
			}
			out := cmd.OutOrStdout()
			in, err := read(args[0], time.Now())
			if err != nil {
				return err
			}
			m := machine{root: root}
			if err := m.fits(in); err != nil {
				return err
			}
			if err := m.owner(); err != nil {
				return err
			}
			fmt.Fprintf(out, "node %s of station %d %q\n", in.Node, in.Station, in.Name)
			if err := m.put(out, in); err != nil {
				return err
			}
			for _, w := range in.open {
				fmt.Fprintf(out, "still to do: %s\n", w)
			}
			if root == "" {
				for _, check := range checks {
					if err := check(cmd.Context(), out, m.path(etcDir, "station.yaml"), in.Node, m.path(dataDir, in.Node)); err != nil {
						return fmt.Errorf("all is in place, and the node is not started: %w", err)
					}
				}
			}
			return m.start(cmd.Context(), out, in.Node, noStart)
		},
	}
	cmd.Flags().StringVar(&root, "root", "", "all files below this folder, and nothing is started: for an image")
	cmd.Flags().BoolVar(&noStart, "no-start", false, "leave the unit as it is")
	return cmd
}

// read reads a bundle's file.
func read(path string, now time.Time) (*incoming, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, cli.Usagef("%w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, nodebundle.MaxPacked+1))
	if err != nil {
		return nil, err
	}
	in, err := open(data, now)
	if err != nil {
		return nil, cli.Exit(cli.ExitUsage, fmt.Errorf("%s: nothing was touched: %w", filepath.Base(path), err))
	}
	return in, nil
}

var errWrong = errors.New("the bundle is wrong")
