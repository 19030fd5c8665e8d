package nodecmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/pprof"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/cmd/fepha/internal/carecmd"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/cmd/fepha/internal/installcmd"
	"github.com/fepha/fepha/internal/build"
	"github.com/fepha/fepha/internal/logtail"
	"github.com/fepha/fepha/internal/plain"
	"github.com/fepha/fepha/node"
	"github.com/fepha/fepha/node/doctor"
)

type nodeFlags struct {
	config, id, dataDir string
	logLevel            string
	logJSON             bool
	cpuProfile          string
}

// NewNodeCommand makes `fepha node`.
func NewNodeCommand() *cobra.Command {
	var f nodeFlags
	cmd := &cobra.Command{
		Use:   "node",
		Short: "Run one node of a station",
		Long: `Run one node of a station: a FEP or the witness. All nodes have the same
station.yaml; --id says which of them this one is. It runs until SIGINT or
SIGTERM. Exit code 78 means that the configuration is wrong: starting it again is no
use. A process that was started by systemd tells it when it is ready and that it
goes on.`,
		Example: "  fepha node --config /etc/fepha/station.yaml --id fep1 --data-dir /var/lib/fepha/fep1",
		Args:    cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.complete(); err != nil {
				return err
			}
			tail := new(logtail.Tail)
			log, zone, err := f.log(io.MultiWriter(cmd.ErrOrStderr(), tail))
			if err != nil {
				return err
			}
			return profiled(f.cpuProfile, func() error {
				c := f.node(log)
				c.LogZone, c.LogTail = zone.Store, tail.Lines
				return node.Run(cmd.Context(), c)
			})
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.config, "config", "", "station.yaml (needed)")
	fl.StringVar(&f.id, "id", "", "this node's id in station.yaml (needed)")
	fl.StringVar(&f.dataDir, "data-dir", "", "folder of this node's Raft log and snapshots (needed)")
	fl.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
	fl.BoolVar(&f.logJSON, "log-json", false, "log as JSON, a line each")
	fl.StringVar(&f.cpuProfile, "cpu-profile", "", "file for a CPU profile of the whole run, for go tool pprof")
	cmd.AddCommand(installcmd.NewInstallCommand(lookAt))
	return cmd
}

// lookAt is what doctor finds when a bundle is in place: what isn't good is told. Nothing of it keeps the node from being started:
// on the first of three machines the others can't be reached yet.
func lookAt(ctx context.Context, out io.Writer, config, id, dataDir string) error {
	return carecmd.PrintReport(cli.NewOutput(out, nil), doctor.Run(ctx, doctor.Options{File: config, Node: id, DataDir: dataDir}), true)
}

// complete tells which flag is missing.
func (f *nodeFlags) complete() error {
	for _, needed := range []struct{ name, value string }{{"config", f.config}, {"id", f.id}, {"data-dir", f.dataDir}} {
		if needed.value == "" {
			return cli.Usagef("--%s is needed", needed.name)
		}
	}
	return nil
}

func (f *nodeFlags) node(log *slog.Logger) node.Config {
	return node.Config{File: f.config, ID: f.id, DataDir: f.dataDir, Build: build.Read(), Log: log}
}

// log makes the node's log: one format, one level and one time zone for all its parts. The zone is this machine's until another
// is stored.
func (f *nodeFlags) log(w io.Writer) (*slog.Logger, *atomic.Pointer[time.Location], error) {
	level, err := cli.LogLevel(f.logLevel)
	if err != nil {
		return nil, nil, err
	}
	zone := new(atomic.Pointer[time.Location])
	zone.Store(time.Local)
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindTime {
			a.Value = slog.TimeValue(a.Value.Time().In(zone.Load()))
		}
		return a
	}}
	var handler slog.Handler = slog.NewTextHandler(w, options)
	if f.logJSON {
		handler = slog.NewJSONHandler(plain.JSONWriter(w), options)
	}
	return slog.New(handler).With("node", f.id), zone, nil
}

// profiled calls run and writes its CPU profile to a file at the end; "": just calls it.
func profiled(file string, run func() error) error {
	if file == "" {
		return run()
	}
	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("--cpu-profile: %w", err)
	}
	if err := pprof.StartCPUProfile(out); err != nil {
		return fmt.Errorf("--cpu-profile %s: %w", file, errors.Join(err, out.Close()))
	}
	err = run()
	pprof.StopCPUProfile()
	return errors.Join(err, out.Close())
}
