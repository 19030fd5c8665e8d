package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/pprof"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/fepha/fepha/acquisition"
	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/channeltab"
	"github.com/fepha/fepha/cluster"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/forwarder"
	"github.com/fepha/fepha/rtdb"
)

type nodeFlags struct {
	config, id, dataDir string
	logLevel            string
	logJSON             bool
	cpuProfile          string
}

func newNodeCommand() *cobra.Command {
	var f nodeFlags
	cmd := &cobra.Command{
		Use:   "node",
		Short: "Run one node of a station",
		Long: `Run one node of a station: a FEP or the witness. All nodes have the same
station.yaml; --id says which of them this one is. It runs until SIGINT or
SIGTERM. Exit code 2 means that the configuration is wrong.`,
		Example: "  fepha node --config /etc/fepha/station.yaml --id fep1 --data-dir /var/lib/fepha",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return profiled(f.cpuProfile, func() error { return runNode(cmd.Context(), f, cmd.ErrOrStderr()) })
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.config, "config", "", "station.yaml (needed)")
	fl.StringVar(&f.id, "id", "", "this node's id in station.yaml (needed)")
	fl.StringVar(&f.dataDir, "data-dir", "", "folder of this node's Raft log and snapshots (needed)")
	fl.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
	fl.BoolVar(&f.logJSON, "log-json", false, "log as JSON, a line each")
	fl.StringVar(&f.cpuProfile, "cpu-profile", "", "file for a CPU profile of the whole run, for go tool pprof")
	return cmd
}

// profiled calls run and has its CPU profile in a file at the end; "": just calls it.
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

// runNode starts the parts of a node from the bottom up, and ends them from
// the top down.
func runNode(ctx context.Context, f nodeFlags, stderr io.Writer) error {
	prepared, station, self, err := loadNodeConfig(f)
	if err != nil {
		return err
	}
	var keys channeltab.Keys
	if station.FNP != nil {
		if keys, err = fnpKeys(station.FNP.KeyFile); err != nil {
			return err
		}
	}
	log, err := newLog(f, stderr)
	if err != nil {
		return err
	}

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	clusterConfig, err := clusterConfig(station, f.id, f.dataDir)
	if err != nil {
		return err
	}
	clusterConfig.Logger = log
	if prepared != nil {
		// One that can't be used, say after an upgrade, is no reason not to start: if it's in force, the group sees that
		// this node runs another one.
		if clusterConfig.Prepared, err = prepared.declaration(f.config); err != nil {
			log.Error("a configuration that was staged can't be used", "digest", prepared.Digest, "error", err)
			prepared = nil
		} else {
			prepared.Bundle = nil
		}
	}
	// A disk that hangs may never let a thread go, so nothing is waited for:
	// the links are closed, and the supervisor starts the process anew.
	clusterConfig.OnStuck = func(err error) {
		log.Error("node stuck: ending at once", "error", err)
		exit(exitFailed)
	}
	node, err := cluster.Start(clusterConfig)
	if err != nil {
		if errors.Is(err, cluster.ErrConfig) {
			return &exitError{exitUsage, err}
		}
		return err
	}
	parts := newParts(cancel)
	defer func() {
		parts.stop()
		if err := node.Close(); err != nil {
			log.Error("closing the node", "error", err)
		}
		log.Info("node ended")
	}()

	configurator := &configurator{file: f.config, dataDir: f.dataDir, node: node, current: newCurrent(station), log: log, staged: prepared}
	tracer := new(api.Tracer)
	apiCfg := apiConfig(configurator.current, node, log)
	apiCfg.Tracer, apiCfg.Configurator = tracer, configurator
	if self.Role == configs.RoleFEP {
		collectors, err := runFEP(parts, configurator, station, node, tracer, log)
		if err != nil {
			return err
		}
		apiCfg.Collectors = collectors
	}
	if fnp, err := runFNP(parts, station, node, keys, log); err != nil {
		return err
	} else if fnp != nil {
		apiCfg.FNP = fnp
		apiCfg.Collectors = append(apiCfg.Collectors, fnp)
	}
	parts.run("configuration", configurator.run, nil)
	boundMemory(station, self.Role)
	listener, err := net.Listen("tcp", self.API.String())
	if err != nil {
		return fmt.Errorf("api: %w", err)
	}
	server := api.NewServer(apiCfg)
	parts.run("api", func(context.Context) error { return server.Serve(listener) }, server.Close)
	log.Info("node started", "station", station.ID, "role", self.Role, "address", self.Address, "api", self.API, "version", version)

	<-ctx.Done()
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, context.Canceled):
	case errors.Is(cause, api.ErrSecurity), errors.Is(cause, api.ErrInsecure):
		return &exitError{exitUsage, cause}
	default:
		return cause
	}
	return nil
}

// runFEP starts what only a FEP has, and returns its metrics.
func runFEP(parts *parts, c *configurator, station *configs.Station, node *cluster.Node, tracer *api.Tracer, log *slog.Logger) (_ []prometheus.Collector, err error) {
	if c.acquisition, err = acquisition.New(acquisitionConfig(c.current, node, tracer, log)); err != nil {
		return nil, err
	}
	forwardConfig, err := forwarderConfig(c.current, station, node, tracer, log)
	if err != nil {
		return nil, err
	}
	if c.forwarder, err = forwarder.New(forwardConfig); err != nil {
		return nil, err
	}
	redisConfig, err := rtdbConfig(c.current, node, log)
	if err != nil {
		return nil, err
	}
	redis, err := rtdb.New(redisConfig)
	if err != nil {
		return nil, err
	}
	parts.run("acquisition", c.acquisition.Run, nil)
	parts.run("forwarder", c.forwarder.Run, nil)
	parts.run("redis view", redis.Run, nil)
	if address := redis.Addr(); address != "" {
		log.Info("redis view", "mode", redisConfig.Mode, "address", address)
	}
	return []prometheus.Collector{fepCollector{acquisition: c.acquisition.Counters, forwarder: c.forwarder.Stats}, redis}, nil
}

// loadNodeConfig loads what the node is to run, and what it may have to take on.
func loadNodeConfig(f nodeFlags) (*staged, *configs.Station, configs.Node, error) {
	for _, needed := range []struct{ name, value string }{{"config", f.config}, {"id", f.id}, {"data-dir", f.dataDir}} {
		if needed.value == "" {
			return nil, nil, configs.Node{}, usagef("--%s is needed", needed.name)
		}
	}
	prepared, station, err := takeUp(f.dataDir, f.config)
	if err != nil {
		return nil, nil, configs.Node{}, err
	}
	self, ok := station.Node(f.id)
	if !ok {
		var ids []string
		for _, n := range station.Cluster.Nodes {
			ids = append(ids, n.ID)
		}
		return nil, nil, configs.Node{}, usagef("--id %q: expected one of %q, the nodes in %s", f.id, ids, filepath.Base(f.config))
	}
	return prepared, station, self, nil
}

// loadStation loads a configuration; what is wrong with it is a usage error.
func loadStation(path string) (*configs.Station, error) {
	station, err := configs.Load(path)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return station, nil
}

// newLog makes the node's log: one format and one level for all its parts.
func newLog(f nodeFlags, w io.Writer) (*slog.Logger, error) {
	level, err := logLevel(f.logLevel)
	if err != nil {
		return nil, err
	}
	var handler slog.Handler = slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})
	if f.logJSON {
		handler = slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
	}
	return slog.New(handler).With("node", f.id), nil
}

// logLevel reads what --log-level says.
func logLevel(text string) (level slog.Level, err error) {
	if level.UnmarshalText([]byte(text)) != nil {
		err = usagef("--log-level %q: expected debug, info, warn or error", text)
	}
	return level, err
}
