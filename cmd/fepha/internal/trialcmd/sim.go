package trialcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/sim"
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
func registerZone(fl *pflag.FlagSet, zone *string) {
	fl.StringVar(zone, "time-zone", "Local", "zone of its clock and time tags, an IANA name such as Asia/Shanghai; Local is this machine's")
}

func zoneOf(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" {
		return nil, cli.Usagef("--time-zone %q: expected an IANA time zone such as Asia/Shanghai", name)
	}
	return zone, nil
}

type simRTUFlags struct {
	listen []string
	ca     uint16
	points []string
	rate   float64
	pack   int
	pcap   string
	record int
	speed  float64
	loop   bool
	trace  bool
	quirks []string
	keep   bool
	zone   string
	files  string
}

func newSimRTUCommand() *cobra.Command {
	var f simRTUFlags
	cmd := &cobra.Command{
		Use:   "rtu",
		Short: "Simulate a field device",
		Long: `Simulate a field device: an IEC 60870-5-104 controlled station that keeps its
events until they are acknowledged. It runs until interrupted.

Commands on standard input, one a line:
  break N    reset link N's connections (from 1) and refuse new ones
  repair N   accept again
  count      print the counts

A capture plays the monitored ASDUs of a recorded session as the device sent
them, with their spacing.

A quirk makes it a device as they are found in the field:
` + sim.DescribeDeviceQuirks(),
		Example: `  fepha sim rtu --listen 127.0.0.1:24041,127.0.0.1:24042 --rate 200
  fepha sim rtu --listen 127.0.0.1:24041 --pcap session.pcap --speed 10`,
		Args: cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runSimRTU(cmd.Context(), f, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	fl := cmd.Flags()
	fl.StringSliceVar(&f.listen, "listen", []string{"127.0.0.1:2404"}, "address:port of each link")
	fl.Uint16Var(&f.ca, "ca", 1, "common address; of a capture, that of its first ASDU")
	fl.StringSliceVar(&f.points, "points", []string{"1-16:M_SP_TB_1", "6001-6004:C_SC_NA_1"}, "points as FROM-TO:TYPE, object addresses")
	fl.Float64Var(&f.rate, "rate", 0, "spontaneous single-point events a second")
	fl.IntVar(&f.pack, "pack", 1, "events in one ASDU")
	fl.StringVar(&f.pcap, "pcap", "", "play the device's ASDUs of this capture (pcap or pcapng)")
	fl.IntVar(&f.record, "recording", 1, "which of the capture's recordings, the longest is 1")
	fl.Float64Var(&f.speed, "speed", 1, "speed of the capture, 10 is ten times as fast")
	fl.BoolVar(&f.loop, "loop", false, "play the capture over and over")
	fl.BoolVar(&f.trace, "trace", false, "print every frame in words")
	fl.StringSliceVar(&f.quirks, "quirk", nil, "what the device does otherwise than a good one, see above")
	registerZone(fl, &f.zone)
	fl.StringVar(&f.files, "files", "", "folder of files that it lets be read, as disturbance records from object address 30001 on")
	fl.BoolVar(&f.keep, "keep-old-link", false, "the quirk keeps-old-link")
	return cmd
}

func runSimRTU(ctx context.Context, f simRTUFlags, in io.Reader, out io.Writer) error {
	cfg := sim.DeviceConfig{Listen: f.listen, CommonAddress: asdu.CommonAddress(f.ca)}
	var err error
	if cfg.Location, err = zoneOf(f.zone); err != nil {
		return err
	}
	if cfg.Quirks, err = sim.ParseDeviceQuirks(f.quirks); err != nil {
		return cli.Usagef("--quirk: %v", err)
	}
	if f.keep {
		cfg.Quirks = append(cfg.Quirks, sim.KeepsOldLink)
	}
	if f.files != "" {
		if cfg.Files, err = sim.LoadFiles(f.files); err != nil {
			return fmt.Errorf("--files: %w", err)
		}
	}
	var recording *sim.Recording
	if f.pcap != "" {
		recs, err := sim.LoadCapture(f.pcap)
		if err != nil {
			return err
		}
		if f.record < 1 || f.record > len(recs) {
			return cli.Usagef("--recording %d: %s has %d", f.record, f.pcap, len(recs))
		}
		if f.speed <= 0 {
			return cli.Usagef("--speed %g: expected more than 0", f.speed)
		}
		recording = &recs[f.record-1]
		cfg.CommonAddress = recording.ASDUs[0].ASDU.CommonAddress
		cfg.Points = recording.Points()
	} else {
		for _, p := range f.points {
			points, err := parsePoints(p)
			if err != nil {
				return err
			}
			cfg.Points = append(cfg.Points, points...)
		}
	}
	if f.trace {
		cfg.Tap = func(link int, _ *iec104.Session, dir iec104.Direction, at time.Time, frame []byte) {
			fmt.Fprintf(out, "%s link %d %-8s %s\n", at.Format("15:04:05.000"), link+1, dir, iec104.Explain(asdu.DefaultProfile, frame))
		}
	}
	device, err := sim.NewDevice(cfg)
	if err != nil {
		return err
	}
	defer device.Close()
	fmt.Fprintf(out, "device %d: %d points on %s\n", cfg.CommonAddress, len(cfg.Points), strings.Join(device.Addresses(), ", "))

	// Standard input has no owner that could end a read, so its goroutine is
	// left behind when the program ends.
	lines := cli.ScanLines(in)
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	var pestering sync.WaitGroup
	defer pestering.Wait()
	defer cancel()
	pestering.Go(func() { device.Pester(work, time.Second) })
	done := make(chan error, 1)
	go func() {
		if recording != nil {
			done <- device.Replay(work, *recording, f.speed, f.loop)
			return
		}
		device.Emit(work, f.rate, f.pack)
		done <- nil
	}()
	for {
		select {
		case <-ctx.Done():
			cancel()
			if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
				return err
			}
			fmt.Fprintf(out, "device %d: %d events sent, %d ASDUs not acknowledged\n", cfg.CommonAddress, device.Sent.Len(), device.Unacknowledged())
			return nil
		case line, ok := <-lines:
			if !ok {
				lines = nil
				continue
			}
			if err := deviceCommand(device, strings.Fields(line), out); err != nil {
				fmt.Fprintln(out, err)
			}
		}
	}
}

// deviceCommand does what a line of standard input asks.
func deviceCommand(d *sim.Device, words []string, out io.Writer) error {
	if len(words) == 0 {
		return nil
	}
	link := 0
	if len(words) > 1 {
		n, err := strconv.Atoi(words[1])
		if err != nil {
			return fmt.Errorf("link %q: expected a number from 1", words[1])
		}
		link = n
	}
	switch {
	case words[0] == "count":
		_, err := fmt.Fprintf(out, "%d events sent, %d ASDUs not acknowledged\n", d.Sent.Len(), d.Unacknowledged())
		return err
	case words[0] == "break" && link > 0:
		return d.Break(link - 1)
	case words[0] == "repair" && link > 0:
		return d.Repair(link - 1)
	}
	return fmt.Errorf("%q: expected count, break N or repair N", strings.Join(words, " "))
}

// parsePoints reads FROM-TO:TYPE or FROM:TYPE.
func parsePoints(s string) ([]sim.DevicePoint, error) {
	bad := func() ([]sim.DevicePoint, error) {
		return nil, cli.Usagef("--points %q: expected FROM-TO:TYPE with object addresses 1 to 16777215, such as 1-16:M_SP_TB_1", s)
	}
	span, name, ok := strings.Cut(s, ":")
	if !ok {
		return bad()
	}
	t, ok := typeByName(name)
	if !ok {
		return bad()
	}
	from, to, isSpan := strings.Cut(span, "-")
	if !isSpan {
		to = from
	}
	a, err1 := strconv.ParseUint(from, 10, 24)
	b, err2 := strconv.ParseUint(to, 10, 24)
	if err1 != nil || err2 != nil || a < 1 || b < a {
		return bad()
	}
	var points []sim.DevicePoint
	for ioa := a; ioa <= b; ioa++ {
		points = append(points, sim.DevicePoint{Address: asdu.InformationObjectAddress(ioa), Type: t})
	}
	return points, nil
}

func typeByName(name string) (asdu.TypeID, bool) {
	for t := asdu.TypeID(1); t < 128; t++ {
		if t.Known() && strings.EqualFold(t.String(), name) {
			return t, true
		}
	}
	return 0, false
}

type simOCCFlags struct {
	connect     []string
	both        bool
	ca          uint16
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
to a station's uplink on either FEP, interrogates, and prints every event. It
runs until interrupted and then prints the counts.

A quirk makes it a control centre as they are found in the field:
` + sim.DescribeCentreQuirks(),
		Example: `  fepha sim occ --connect 127.0.0.1:24101,127.0.0.1:24102 --ca 100`,
		Args:    cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runSimOCC(cmd.Context(), f, cmd.OutOrStdout())
		},
	}
	fl := cmd.Flags()
	fl.StringSliceVar(&f.connect, "connect", nil, "address:port of the uplink on each FEP (needed)")
	fl.BoolVar(&f.both, "both", false, "start a link to each address (main-standby, dual-active), not one at a time (exclusive)")
	fl.Uint16Var(&f.ca, "ca", 100, "common address of the uplink")
	fl.Uint32Var(&f.role, "role-ioa", 0, "object address of the role point")
	fl.BoolVar(&f.interrogate, "interrogate", true, "interrogate after each STARTDT")
	fl.StringSliceVar(&f.quirks, "quirk", nil, "what it does otherwise than a good one, see above")
	registerZone(fl, &f.zone)
	fl.Uint32Var(&f.output, "output", 0, "object address of the single command that a quirk operates")
	fl.BoolVar(&f.trace, "trace", false, "print every frame in words")
	return cmd
}

func runSimOCC(ctx context.Context, f simOCCFlags, out io.Writer) error {
	if len(f.connect) == 0 {
		return cli.Usagef("--connect: expected the uplink's addresses, such as 127.0.0.1:24101,127.0.0.1:24102")
	}
	cfg := sim.CentreConfig{
		Addresses:     slices.Clone(f.connect),
		Both:          f.both,
		CommonAddress: asdu.CommonAddress(f.ca),
		RoleAddress:   asdu.InformationObjectAddress(f.role),
		Output:        asdu.InformationObjectAddress(f.output),
		Interrogate:   f.interrogate,
		OnEvent: func(k sim.Key, isNew bool) {
			repeated := ""
			if !isNew {
				repeated = " (repeated)"
			}
			fmt.Fprintf(out, "%v%s\n", k, repeated)
		},
	}
	var err error
	if cfg.Location, err = zoneOf(f.zone); err != nil {
		return err
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
