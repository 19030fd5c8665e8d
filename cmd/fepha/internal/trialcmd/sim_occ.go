package trialcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/sim"
)

type simOCCFlags struct {
	connect     []string
	both        bool
	ca          []uint
	role        uint32
	output      uint32
	quirks      []string
	interrogate bool
	trace       bool
	zone        string
}

func newSimOCCCommand() *cobra.Command {
	var f simOCCFlags
	cmd := &cobra.Command{
		Use:   "occ",
		Short: "Simulate a control centre",
		Long: `Simulate a control centre: an IEC 60870-5-104 controlling station that connects
to a station's uplink on either FEP, interrogates each common address, and prints
every event. It runs until interrupted and then prints the counts.

A quirk makes it a control centre as they are found in the field:
` + sim.DescribeCentreQuirks(),
		Example: `  fepha sim occ --connect 127.0.0.1:24101,127.0.0.1:24102 --ca 100
  fepha sim occ --connect 127.0.0.1:24101 --ca 100,101`,
		Args: cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runSimOCC(cmd.Context(), f, cmd.OutOrStdout())
		},
	}
	fl := cmd.Flags()
	fl.StringSliceVar(&f.connect, "connect", nil, "address:port of the uplink on each FEP (needed)")
	fl.BoolVar(&f.both, "both", false, "start a link to each address (main-standby, dual-active), not one at a time (exclusive)")
	fl.UintSliceVar(&f.ca, "ca", []uint{100}, "common addresses of the uplink: its own, and those of its sectors")
	fl.Uint32Var(&f.role, "role-ioa", 0, "object address of the role point")
	fl.BoolVar(&f.interrogate, "interrogate", true, "interrogate after each STARTDT")
	fl.StringSliceVar(&f.quirks, "quirk", nil, "what it does otherwise than a good one, see above")
	registerZone(fl, &f.zone, "in which the time tags are")
	fl.Uint32Var(&f.output, "output", 0, "object address of the single command that a quirk operates")
	fl.BoolVar(&f.trace, "trace", false, "print every frame in words")
	return cmd
}

func runSimOCC(ctx context.Context, f simOCCFlags, out io.Writer) error {
	if len(f.connect) == 0 {
		return cli.Usagef("--connect: expected the uplink's addresses, such as 127.0.0.1:24101,127.0.0.1:24102")
	}
	zone, err := zoneOf(f.zone)
	if err != nil {
		return err
	}
	addresses, err := commonAddresses(f.ca)
	if err != nil {
		return err
	}
	cfg := sim.CentreConfig{
		CommonAddress: addresses[0],
		Sectors:       addresses[1:],
		Addresses:     slices.Clone(f.connect),
		Both:          f.both,
		RoleAddress:   asdu.InformationObjectAddress(f.role),
		Output:        asdu.InformationObjectAddress(f.output),
		Interrogate:   f.interrogate,
		OnEvent: func(k sim.Key, isNew bool) {
			repeated := ""
			if !isNew {
				repeated = " (repeated)"
			}
			fmt.Fprintf(out, "%s%s\n", k.In(zone), repeated)
		},
	}
	if cfg.Quirks, err = sim.ParseCentreQuirks(f.quirks); err != nil {
		return cli.Usagef("--quirk: %v", err)
	}
	if f.trace {
		cfg.Tap = func(address string, dir iec104.Direction, at time.Time, frame []byte) {
			fmt.Fprintf(out, "%s %s %-8s %s\n", at.Format("15:04:05.000"), address, dir, iec104.Explain(asdu.DefaultProfile, frame))
		}
	}
	centre := sim.NewCentre(cfg)
	err = centre.Run(ctx)
	fmt.Fprintf(out, "%d events, %d repeated, longest gap %v, %d links started\n",
		centre.Received.Len(), centre.Received.Repeats(), centre.Received.LongestGap().Round(time.Millisecond), centre.Starts())
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
