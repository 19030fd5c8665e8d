package stationcmd

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/fepha/fepha/cmd/fepha/internal/cli"
)

// NewStationCommand makes `fepha station`.
func NewStationCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "station", Short: "Begin a new station: its configuration, keys, and a bundle for each machine"}
	cmd.AddCommand(newInitCommand(), newBundleCommand())
	return cmd
}

// tokenValid is how long the first admin's token is good, unless it's said.
const tokenValid = 7 * 24 * time.Hour

func newInitCommand() *cobra.Command {
	var given plan
	valid := tokenValid
	qs := questions(&given)
	cmd := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Write a new station's folder: station.yaml, tables, CA, and a bundle for each node",
		Long: `Write the folder of a new station: station.yaml with comments, tables with their
headings, the station's CA, and for each node a bundle, such as fep1.tar.zst, that
'fepha node install' puts in place on its machine. DIR is made, or must be empty;
default station-NUMBER.

What is needed and not given by a flag is asked for, if this is a terminal; then so is
the rest. The CA's key and the first admin's token stay in the folder: keep it where
no node is. When station.yaml was edited, 'fepha station bundle' makes the bundles
anew.`,
		Example: `  fepha station init
  fepha station init north --number 21 --name "North substation" --time-zone Asia/Shanghai \
    --fep1 10.91.2.66 --fep2 10.91.2.67 --witness 10.91.2.68 --rtu 192.168.1.1:2404 --centre 10.10.0.0/16`,
		Args: cli.Args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if valid <= 0 {
				return cli.Usagef("--token-valid %v: expected a time such as 168h", valid)
			}
			if err := answer(cmd, qs); err != nil {
				return err
			}
			if err := given.together(); err != nil {
				return cli.Usagef("%w", err)
			}
			dir := fmt.Sprintf("station-%d", given.number)
			if len(args) > 0 {
				dir = args[0]
			}
			made, err := given.write(dir, time.Now(), valid)
			if err != nil {
				return err
			}
			return made.print(cmd.OutOrStdout(), &given)
		},
	}
	for _, q := range qs {
		cmd.Flags().StringVar(&q.text, q.flag, "", q.help)
	}
	cmd.Flags().DurationVar(&valid, "token-valid", tokenValid, "how long the first admin's token is good")
	return cmd
}

// answer reads what the flags say, and asks for the rest where somebody can answer.
func answer(cmd *cobra.Command, qs []*question) error {
	var missing []string
	for _, q := range qs {
		if !cmd.Flags().Changed(q.flag) {
			if q.needed {
				missing = append(missing, "--"+q.flag)
			}
			continue
		}
		if err := q.take(q.text); err != nil {
			return cli.Usagef("--%s %q: %w", q.flag, q.text, err)
		}
		q.answered = true
	}
	in, terminal := cmd.InOrStdin().(*os.File)
	if len(missing) > 0 && (!terminal || !term.IsTerminal(int(in.Fd()))) {
		return cli.Usagef("expected %s, or a terminal to ask at: see '%s --help'", strings.Join(missing, ", "), cmd.CommandPath())
	}
	if len(missing) > 0 {
		return ask(cmd.InOrStdin(), cmd.ErrOrStderr(), qs)
	}
	for _, q := range qs {
		if !q.answered {
			if err := q.take(q.preset()); err != nil {
				return cli.Usagef("--%s: %w", q.flag, err)
			}
		}
	}
	return nil
}

// print says what was written, and what to do with it.
func (m *made) print(w io.Writer, p *plan) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s has a new station:\n", m.dir)
	for _, f := range m.files {
		fmt.Fprintf(&b, "  %-22s %s\n", f.name, f.what)
	}
	fmt.Fprintf(&b, "\nNext:\n  1. copy each bundle to its machine, which has fepha's package:\n")
	for _, n := range p.nodes() {
		fmt.Fprintf(&b, "       scp %s root@%s:\n", filepath.Join(m.dir, bundleName(n.id)), n.address)
	}
	fmt.Fprintf(&b, "  2. on each machine, as root:   fepha node install %s   (there: its own)\n", bundleName("fep1"))
	fmt.Fprintf(&b, "  3. on any of them, as root:    fepha status\n")
	fmt.Fprintf(&b, "  4. here, by %s:\n       %s\n", m.expires.In(p.zone).Format("2006-01-02 15:04 -07:00"), m.firstAdmin(p))
	fmt.Fprintf(&b, "\nKeep %s where no node is: who has it can make a node of this station.\n", filepath.Join(m.dir, "tls", "ca-key.pem"))
	_, err := io.WriteString(w, b.String())
	return err
}

// firstAdmin is the command that makes the first admin.
func (m *made) firstAdmin(p *plan) string {
	return fmt.Sprintf("fepha user first NAME --token-file %s --addr https://%s --ca %s",
		filepath.Join(m.dir, tokenFile), p.nodes()[0].at(apiPort), filepath.Join(m.dir, "tls", "ca.pem"))
}
