package accesscmd

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/cluster/pki"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
)

// NewTLSCommand makes `fepha tls`.
func NewTLSCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "tls", Short: "Make the certificates of the nodes, and let people in"}
	cmd.AddCommand(newTLSInitCommand(), newTLSClientCommand(), newTLSTokenCommand(), newTLSRevokeCommand())
	return cmd
}

func newTLSInitCommand() *cobra.Command {
	var config, dir string
	var renew bool
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make or renew the station's CA and the certificate of each node",
		Long: `Make the station's CA and a certificate for each node of station.yaml. Each
node gets a folder of its own with ca.pem, node.pem and node-key.pem: copy it to
that node, to where its station.yaml names them. ca-key.pem makes and renews
certificates: keep it where no node is.

What is there is kept, but for certificates of which less than a third of their
time is left, and those made before a node's had a mark of its own. A node takes up a renewed certificate without a restart.`,
		Example: "  fepha tls init --config station.yaml --dir tls",
		Args:    cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if config == "" || dir == "" {
				return cli.Usagef("--config and --dir are needed: see '%s --help'", cmd.CommandPath())
			}
			station, err := cli.LoadStation(config)
			if err != nil {
				return err
			}
			made, err := pki.Init(dir, strconv.Itoa(int(station.ID)), cli.CertifiedNodes(station), renew, time.Now())
			if err != nil {
				return err
			}
			return printMade(cmd.OutOrStdout(), made)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&config, "config", "", "station.yaml (needed)")
	fl.StringVar(&dir, "dir", "", "folder for the certificates; made if missing (needed)")
	fl.BoolVar(&renew, "renew", false, "renew the nodes' certificates whatever time they have left")
	return cmd
}

func printMade(w io.Writer, made []pki.Made) error {
	var rows []string
	for _, m := range made {
		rows = append(rows, cli.Row(m.Path, m.What, m.Expires.Format(time.DateOnly)))
	}
	if err := cli.Table(w, "CERTIFICATE\tWHAT\tEXPIRES", rows...); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, "\nCopy each node's folder to that node, and keep ca-key.pem elsewhere.")
	return err
}
