package trialcmd

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/sim"
)

type simRTUFlags struct {
	listen []string
	ca     []uint
	config string
	number uint32
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

Several common addresses make it a concentrator: a device for each of them
behind the same links, with events and outputs of its own. --config and --rtu
take addresses and points from a station's configuration, and with them all RTUs
that share the links of that one.

A capture plays the monitored ASDUs of a recorded session as the device sent
them, with their spacing.

A quirk makes it a device as they are found in the field:
` + sim.DescribeDeviceQuirks(),
		Example: `  fepha sim rtu --listen 127.0.0.1:24041,127.0.0.1:24042 --rate 200
  fepha sim rtu --ca 1,2,7
  fepha sim rtu --config station.yaml --rtu 1 --listen 127.0.0.1:24041
  fepha sim rtu --listen 127.0.0.1:24041 --pcap session.pcap --speed 10`,
		Args: cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.number != 0 && !cmd.Flags().Changed("listen") {
				f.listen = nil // the configuration says where
			}
			for _, flag := range []string{"ca", "points", "pcap"} {
				if f.number != 0 && cmd.Flags().Changed(flag) {
					return cli.Usagef("--rtu and --%s: expected one of them, --rtu takes common address and points from the configuration", flag)
				}
			}
			return runSimRTU(cmd.Context(), f, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	fl := cmd.Flags()
	fl.StringSliceVar(&f.listen, "listen", []string{"127.0.0.1:2404"}, "address:port of each link")
	fl.UintSliceVar(&f.ca, "ca", []uint{1}, "common addresses, each with the points; of a capture, that of its first ASDU")
	fl.StringVar(&f.config, "config", "station.yaml", "the station's configuration, of which --rtu is")
	fl.Uint32Var(&f.number, "rtu", 0, "number of the RTU to play, with all that share its links")
	fl.StringSliceVar(&f.points, "points", []string{"1-16:M_SP_TB_1", "6001-6004:C_SC_NA_1"}, "points as FROM-TO:TYPE, object addresses")
	fl.Float64Var(&f.rate, "rate", 0, "spontaneous single-point events a second")
	fl.IntVar(&f.pack, "pack", 1, "events in one ASDU")
	fl.StringVar(&f.pcap, "pcap", "", "play the device's ASDUs of this capture (pcap or pcapng)")
	fl.IntVar(&f.record, "recording", 1, "which of the capture's recordings, the longest is 1")
	fl.Float64Var(&f.speed, "speed", 1, "speed of the capture, 10 is ten times as fast")
	fl.BoolVar(&f.loop, "loop", false, "play the capture over and over")
	fl.BoolVar(&f.trace, "trace", false, "print every frame in words")
	fl.StringSliceVar(&f.quirks, "quirk", nil, "what the device does otherwise than a good one, see above")
	registerZone(fl, &f.zone, "of its clock and time tags")
	fl.StringVar(&f.files, "files", "", "folder of files that it lets be read, as disturbance records from object address 30001 on")
	fl.BoolVar(&f.keep, "keep-old-link", false, "the quirk keeps-old-link")
	return cmd
}

func runSimRTU(ctx context.Context, f simRTUFlags, in io.Reader, out io.Writer) error {
	cfg := sim.DeviceConfig{Listen: f.listen}
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
	var sectors []sim.DeviceConfig
	switch {
	case f.number != 0:
		sectors, err = f.configured(cfg)
	case f.pcap != "":
		recording, err = f.recording()
		if err == nil {
			cfg.CommonAddress, cfg.Points = recording.ASDUs[0].ASDU.CommonAddress, recording.Points()
			sectors = []sim.DeviceConfig{cfg}
		}
	default:
		sectors, err = f.asked(cfg)
	}
	if err != nil {
		return err
	}
	if f.trace {
		sectors[0].Tap = func(link int, _ *iec104.Session, dir iec104.Direction, at time.Time, frame []byte) {
			fmt.Fprintf(out, "%s link %d %-8s %s\n", at.Format("15:04:05.000"), link+1, dir, iec104.Explain(cmp.Or(sectors[0].Config.Profile, asdu.DefaultProfile), frame))
		}
	}
	var devices []*sim.Device
	for i, s := range sectors {
		if i > 0 {
			s.Behind = devices[0]
		}
		d, err := sim.NewDevice(s)
		if err != nil {
			return err
		}
		defer d.Close()
		devices = append(devices, d)
		fmt.Fprintf(out, "device %d: %d points on %s\n", s.CommonAddress, len(s.Points), strings.Join(d.Addresses(), ", "))
	}

	// Standard input has no owner that could end a read, so its goroutine is
	// left behind when the program ends.
	lines := cli.ScanLines(in)
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	var working sync.WaitGroup
	defer working.Wait()
	defer cancel()
	failed := make(chan error, 1)
	for _, d := range devices {
		working.Go(func() { d.Pester(work, time.Second) })
		working.Go(func() {
			if recording == nil {
				d.Emit(work, f.rate, f.pack)
			} else if err := d.Replay(work, *recording, f.speed, f.loop); err != nil && work.Err() == nil {
				failed <- err
			}
		})
	}
	for {
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
			cancel()
			working.Wait()
			return count(devices, sectors, out)
		case line, ok := <-lines:
			if !ok {
				lines = nil
				continue
			}
			words := strings.Fields(line)
			if len(words) > 0 && words[0] == "count" {
				err = count(devices, sectors, out)
			} else {
				err = deviceCommand(devices[0], words)
			}
			if err != nil {
				fmt.Fprintln(out, err)
			}
		}
	}
}

// count prints how many events each sector has sent.
func count(devices []*sim.Device, sectors []sim.DeviceConfig, out io.Writer) error {
	for i, d := range devices {
		fmt.Fprintf(out, "device %d: %d events sent\n", sectors[i].CommonAddress, d.Sent.Len())
	}
	_, err := fmt.Fprintf(out, "%d ASDUs not acknowledged\n", devices[0].Unacknowledged())
	return err
}

// recording is the one of a capture that is to be played.
func (f *simRTUFlags) recording() (*sim.Recording, error) {
	recs, err := sim.LoadCapture(f.pcap)
	if err != nil {
		return nil, err
	}
	if f.record < 1 || f.record > len(recs) {
		return nil, cli.Usagef("--recording %d: %s has %d", f.record, f.pcap, len(recs))
	}
	if f.speed <= 0 {
		return nil, cli.Usagef("--speed %g: expected more than 0", f.speed)
	}
	return &recs[f.record-1], nil
}

// asked are the sectors that the flags tell of.
func (f *simRTUFlags) asked(cfg sim.DeviceConfig) (sectors []sim.DeviceConfig, err error) {
	for _, p := range f.points {
		points, err := parsePoints(p)
		if err != nil {
			return nil, err
		}
		cfg.Points = append(cfg.Points, points...)
	}
	addresses, err := commonAddresses(f.ca)
	for _, cfg.CommonAddress = range addresses {
		sectors = append(sectors, cfg)
	}
	return sectors, err
}

// configured are the sectors of an RTU that a station's configuration has, in the order of their numbers.
func (f *simRTUFlags) configured(cfg sim.DeviceConfig) (sectors []sim.DeviceConfig, err error) {
	station, err := configs.Load(f.config)
	if err != nil {
		return nil, err
	}
	rtu, ok := station.RTU(f.number)
	if !ok {
		return nil, cli.Usagef("--rtu %d: %s has no such RTU", f.number, f.config)
	}
	if cfg.Listen == nil {
		for _, c := range rtu.Channels {
			for _, l := range c.Links {
				cfg.Listen = append(cfg.Listen, l.Address.String())
			}
		}
	}
	sharing := rtu.Sharing
	if len(sharing) == 0 {
		sharing = []uint32{f.number}
	}
	for _, n := range sharing {
		r, _ := station.RTU(n)
		cfg.CommonAddress, cfg.Points = asdu.CommonAddress(r.CommonAddress), pointsOf(r)
		cfg.Config = iec104.Config{K: r.IEC104.K, W: r.IEC104.W, T0: r.IEC104.T0, T1: r.IEC104.T1, T2: r.IEC104.T2, T3: r.IEC104.T3,
			Profile: asdu.Profile{CauseSize: r.IEC104.COTSize, CommonAddressSize: r.IEC104.CASize, ObjectAddressSize: r.IEC104.IOASize}}
		sectors = append(sectors, cfg)
	}
	return sectors, nil
}

// usualType is what a device sends a point of each kind in whose table says no type.
var usualType = map[fsm.Kind]asdu.TypeID{
	fsm.DI: asdu.M_SP_TB_1, fsm.AI: asdu.M_ME_NC_1, fsm.Counter: asdu.M_IT_NA_1, fsm.DO: asdu.C_SC_NA_1, fsm.AO: asdu.C_SE_NC_1,
}

// pointsOf are the objects of an RTU's table. Rows that are bits of one object are one.
func pointsOf(r *configs.RTU) (points []sim.DevicePoint) {
	for _, p := range r.Points {
		o := sim.DevicePoint{Address: asdu.InformationObjectAddress(p.IOA), Type: cmp.Or(p.Type, usualType[p.Kind])}
		if !slices.Contains(points, o) {
			points = append(points, o)
		}
	}
	return points
}

// deviceCommand does what a line of standard input asks of the links.
func deviceCommand(d *sim.Device, words []string) error {
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
