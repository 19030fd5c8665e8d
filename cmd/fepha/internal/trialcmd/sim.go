package trialcmd

import (
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/iec104/asdu"
)

// NewSimCommand makes `fepha sim`.
func NewSimCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Simulate a field device or a control centre",
	}
	cmd.AddCommand(newSimRTUCommand(), newSimOCCCommand())
	return cmd
}

// registerZone adds --time-zone.
func registerZone(fl *pflag.FlagSet, zone *string, what string) {
	fl.StringVar(zone, "time-zone", "Local", "zone "+what+", an IANA name such as Asia/Shanghai; Local is this machine's")
}

func zoneOf(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" {
		return nil, cli.Usagef("--time-zone %q: expected an IANA time zone such as Asia/Shanghai", name)
	}
	return zone, nil
}

// commonAddresses reads those of --ca: one or more, all different.
func commonAddresses(list []uint) (addresses []asdu.CommonAddress, err error) {
	for _, n := range list {
		a := asdu.CommonAddress(min(n, uint(asdu.BroadcastAddress)))
		if a == 0 || a == asdu.BroadcastAddress || slices.Contains(addresses, a) {
			return nil, cli.Usagef("--ca %d: expected common addresses from 1 to 65534, each once", n)
		}
		addresses = append(addresses, a)
	}
	if len(addresses) == 0 {
		return nil, cli.Usagef("--ca: expected a common address")
	}
	return addresses, nil
}
