package stationcmd

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func newBundleCommand() *cobra.Command {
	var dir string
	var renew bool
	cmd := &cobra.Command{
		Use:   "bundle [NODE...]",
		Short: "Make the bundles of a station's nodes anew, from its folder",
		Long: `Make the bundles of a station's nodes anew, or of those that are named, from the
folder that 'fepha station init' has written: after station.yaml was edited, or for
the machine that takes the place of one that was lost.

Certificates that end soon, or that are for other addresses, are renewed. A node that
was taken out of the group ('fepha raft remove') needs a new one: --renew.`,
		Example: `  fepha station bundle --dir north
  fepha station bundle fep1 --renew --dir north`,
		RunE: func(cmd *cobra.Command, ids []string) error {
			bundled, err := pack(dir, ids, renew, time.Now())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "made %s\n", names(dir, bundled))
			return err
		},
	}
	cmd.Flags().StringVar(&dir, "dir", ".", "the station's folder")
	cmd.Flags().BoolVar(&renew, "renew", false, "renew the certificates whatever time they have left")
	return cmd
}
