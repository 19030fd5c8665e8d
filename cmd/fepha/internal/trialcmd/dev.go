package trialcmd

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
	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/sim"
)

type devFlags struct {
	duration time.Duration
	demo     string
	dir      string
	rate     float64
	lease    time.Duration
	mode     string
	speed    float64
	exports  bool
}

// NewDevCommand makes `fepha dev`.
func NewDevCommand() *cobra.Command {
	var f devFlags
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run a whole station on this machine, with simulated neighbours",
		Long: `Run a whole station on this machine: two FEPs and a witness as processes of
their own, two simulated devices with two channels each, of which one replays a
recorded session, a simulated control centre, and an FNP network with two
stations. All addresses are on loopback. Ctrl-C ends all of it.`,
		Example: `  fepha dev
  fepha dev --for 20s --demo failover
  fepha dev --exports --dir /tmp/station`,
		Args: cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDev(cmd.Context(), f, cmd.OutOrStdout())
		},
	}
	fl := cmd.Flags()
	fl.DurationVar(&f.duration, "for", 0, "end after this time; 0: on Ctrl-C")
	fl.StringVar(&f.demo, "demo", "", "failover: kill the owner meanwhile and print what that cost")
	fl.StringVar(&f.dir, "dir", "", "folder for configuration, data and logs; default a temporary one, removed at the end")
	fl.Float64Var(&f.rate, "rate", 20, "events a second that device 1 emits")
	fl.DurationVar(&f.lease, "lease", 500*time.Millisecond, "at most so long does a node act without hearing from the leader")
	fl.StringVar(&f.mode, "mode", "exclusive", "mode of the uplink: exclusive, main-standby or dual-active")
	fl.BoolVar(&f.exports, "exports", false, "write the events to files too, and show them")
	fl.Float64Var(&f.speed, "speed", 10, "speed of the recorded session")
	return cmd
}

// comeUpTimeout bounds how long the station may take to work.
const comeUpTimeout = 60 * time.Second

func runDev(ctx context.Context, f devFlags, out io.Writer) (err error) {
	switch {
	case f.demo != "" && f.demo != "failover":
		return cli.Usagef("--demo %q: expected failover", f.demo)
	case f.speed <= 0:
		return cli.Usagef("--speed %g: expected more than 0", f.speed)
	case f.rate < 0:
		return cli.Usagef("--rate %g: expected 0 or more", f.rate)
	}
	if f.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.duration)
		defer cancel()
	}
	if f.dir == "" {
		dir, err := os.MkdirTemp("", "fepha-dev-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		f.dir = dir
	}
	binary, err := os.Executable()
	if err != nil {
		return err
	}
	recording, err := sim.DemoRecording()
	if err != nil {
		return err
	}
	exports := ""
	if f.exports {
		exports = fmt.Sprintf("  - {name: soe, kind: file, dir: %q, content: all, rotate: 1m, compress: zstd, free_mb: 16}\n", filepath.Join(f.dir, "soe", "{node}"))
	}
	station, err := rig.New(rig.Options{
		Binary: binary, Dir: f.dir, Lease: f.lease, Mode: f.mode, FNP: true, Exports: exports,
		RTUs: []rig.RTU{
			{Number: 1, Name: "simulated device", CommonAddress: 1, Points: DemoPoints()},
			{Number: 2, Name: "recorded session", CommonAddress: recording.ASDUs[0].ASDU.CommonAddress, Points: recording.Points(), Prefer: "fep2"},
		},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, station.Close()) }()

	began := time.Now()
	if err := station.StartAll(); err != nil {
		return err
	}
	fmt.Fprintln(out, "A station comes up on this machine: two FEPs, a witness, two devices, a control centre.")
	up, cancel := context.WithTimeout(ctx, comeUpTimeout)
	defer cancel()
	if _, err := station.WaitFor(up, "the station to come up", rig.Complete); err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil // interrupted
		}
		return fmt.Errorf("%w\n%s", err, lastLines(station, 5))
	}
	fmt.Fprintf(out, "It is up after %v.\n\n", time.Since(began).Round(10*time.Millisecond))
	if err := runDevFNP(station, out); err != nil {
		return err
	}
	describe(out, station, recording)
	if f.exports {
		fmt.Fprintf(out, "Events and audit are in files below %s, of the FEP that owns the export:\n  fepha export list --addr %s\n  tail -f %s/*/events-21-*.csv\n\n",
			filepath.Join(f.dir, "soe"), station.Nodes()[0].API, filepath.Join(f.dir, "soe"))
	}

	stopEmit := station.Simulate(func(ctx context.Context) { station.Devices[0].Emit(ctx, f.rate, 1) })
	stopReplay := station.Simulate(func(ctx context.Context) { _ = station.Devices[1].Replay(ctx, recording, f.speed, true) })

	if f.demo == "failover" {
		if err := demoFailover(ctx, station, out); err != nil {
			return err
		}
	}
	<-ctx.Done()

	// What was sent before the end shall still arrive, so that the count is fair.
	stopEmit()
	stopReplay()
	lost := station.Settle(context.Background())
	fmt.Fprintf(out, "\ncontrol centre: %d events, %d lost, %d repeated\n",
		station.Centre.Received.Len(), len(lost), station.Centre.Received.Repeats())
	if len(lost) > 0 {
		return fmt.Errorf("%d events lost, the first: %v", len(lost), lost[0])
	}
	return nil
}

// DemoPoints are those of the simulated device: 16 alarms and 4 outputs.
func DemoPoints() []sim.DevicePoint {
	var points []sim.DevicePoint
	for i := range 16 {
		points = append(points, sim.DevicePoint{Address: asdu.InformationObjectAddress(1 + i), Type: asdu.M_SP_TB_1})
	}
	for i := range 4 {
		points = append(points, sim.DevicePoint{Address: asdu.InformationObjectAddress(6001 + i), Type: asdu.C_SC_NA_1})
	}
	return points
}

func describe(out io.Writer, s *rig.Station, recording sim.Recording) {
	var rows []string
	for _, n := range s.Nodes() {
		rows = append(rows, cli.Row(n.ID, n.API, s.LogFile(n.ID)))
	}
	_ = cli.Table(out, "NODE\tAPI\tLOG", rows...)
	fmt.Fprintf(out, `
device 1         %v, emits events
device 2         %v, replays %d recorded ASDUs
control centre   connects to %v
web page         %s/
redis            fep1 on %s, fep2 on %s
configuration    %s

Try in another terminal (fepha is this program):
  export FEPHA_ADDR=%[5]s
  fepha status
  fepha event tail
  fepha rtu failover 1
  fepha config apply --dry-run %[8]s

`, s.Devices[0].Addresses(), s.Devices[1].Addresses(), len(recording.ASDUs), s.Uplinks(), s.Nodes()[0].API,
		s.Redis("fep1"), s.Redis("fep2"), s.Node("fep1").Config())
}

func demoFailover(ctx context.Context, s *rig.Station, out io.Writer) error {
	before := s.Centre.Received.Len()
	if err := waitForEvents(ctx, s, before+20); err != nil {
		return err
	}
	fmt.Fprintln(out, "failover: killing the owner of device 1 with SIGKILL ...")
	trial, err := s.KillOwner(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "failover: %s killed, %s took over: gap %v, %d events lost, %d repeated\n",
		trial.Owner, trial.Taker, trial.Gap.Round(time.Millisecond), len(trial.Lost), trial.Repeated)
	return nil
}

func waitForEvents(ctx context.Context, s *rig.Station, n int) error {
	for s.Centre.Received.Len() < n {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for events: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// lastLines are the ends of the nodes' logs, to see why a station does not
// come up.
func lastLines(s *rig.Station, n int) string {
	var text string
	for _, node := range s.Nodes() {
		b, err := os.ReadFile(s.LogFile(node.ID))
		if err != nil {
			continue
		}
		end := len(b)
		lines := 0
		for i := end - 2; i >= 0; i-- {
			if b[i] == '\n' {
				if lines++; lines == n {
					b = b[i+1:]
					break
				}
			}
		}
		text += fmt.Sprintf("-- %s --\n%s", filepath.Base(s.LogFile(node.ID)), b)
	}
	return text
}
