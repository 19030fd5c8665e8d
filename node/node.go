// Package node is what a node of a station is made of: it turns the
// configuration into what each part wants to know, starts the parts from the
// bottom up, and ends them from the top down.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fepha/fepha/acquisition"
	"github.com/fepha/fepha/api/server"
	"github.com/fepha/fepha/channeltab"
	"github.com/fepha/fepha/cluster"
	"github.com/fepha/fepha/condition/reporter"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/forwarder"
	"github.com/fepha/fepha/node/rollout"
	"github.com/fepha/fepha/node/watch"
	"github.com/fepha/fepha/rtdb"
)

// A Config says which node of which station to run.
type Config struct {
	File    string // station.yaml
	ID      string // this node's in it
	DataDir string // its Raft log and snapshots
	Build   string // the program's version, which the other nodes are told
	Log     *slog.Logger
}

// A ConfigError says what is wrong with the configuration: nothing was started,
// or nothing is left running.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }
func (e *ConfigError) Unwrap() error { return e.Err }

// ErrUnknownNode: the configuration has no node of that id.
var ErrUnknownNode = errors.New("no such node in the configuration")

// Run runs a node until ctx ends or a part of it fails. It starts the parts from
// the bottom up, and ends them from the top down.
func Run(ctx context.Context, c Config) error {
	log := c.Log
	prepared, station, self, err := load(c)
	if err != nil {
		return err
	}
	var keys channeltab.Keys
	if station.FNP != nil {
		if keys, err = fnpKeys(station.FNP.KeyFile); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	if n := station.Warnings.Total; n > 0 {
		log.Warn("the configuration has warnings: `fepha config check` lists them", "warnings", n, "first", station.Warnings.List[0].Error())
	}
	clusterConfig := clusterConfig(station, c)
	latency := newCommitLatency()
	clusterConfig.Logger, clusterConfig.OnCommit = log, latency.observe
	if prepared != nil {
		// One that can't be used, say after an upgrade, is no reason not to start: if it's in force, the group sees that
		// this node runs another one.
		if clusterConfig.Prepared, err = prepared.Declaration(c.File); err != nil {
			log.Error("a configuration that was staged can't be used", "digest", prepared.Digest, "error", err)
			prepared = nil
		}
	}
	// A disk that hangs may never let a thread go, so nothing is waited for:
	// the links are closed, and the supervisor starts the process anew.
	clusterConfig.OnStuck = func(err error) {
		log.Error("node stuck: ending at once", "error", err)
		exit(1)
	}
	node, err := cluster.Start(clusterConfig)
	if err != nil {
		if errors.Is(err, cluster.ErrConfig) {
			return &ConfigError{err}
		}
		return err
	}
	parts, supervisor := newParts(cancel), newSupervisor(log)
	defer func() {
		supervisor.stopping()
		parts.stop()
		if err := node.Close(); err != nil {
			log.Error("closing the node", "error", err)
		}
		log.Info("node ended")
	}()

	runner := &runner{current: newCurrent(station, log), replica: node}
	configurator := rollout.New(rollout.Config{File: c.File, DataDir: c.DataDir, Staged: prepared, Replica: node, Runner: runner, Log: log})
	conditions := reporter.New(reporter.Config{Replica: node, Leads: node.IsLeader, Log: log})
	parts.run("conditions", conditions.Run, nil)
	group := &watch.Group{Node: node, Config: runner.current.station, Tables: runner.current.tables, Build: c.Build, Reporter: conditions}
	parts.run("watch over the group", group.Run, nil)
	tracer := new(server.Tracer)
	apiCfg := apiConfig(runner.current, node, log)
	apiCfg.Tracer, apiCfg.Configurator, apiCfg.Build = tracer, configurator, c.Build
	apiCfg.CommitLatency = latency.percentiles
	apiCfg.Collectors = []prometheus.Collector{clusterCollector{node.Info, node.Metrics}, latency}
	apiCfg.Holding, apiCfg.Settled = conditions.Holding, group.Settled
	if self.Role == configs.RoleFEP {
		collectors, err := runFEP(parts, runner, station, node, tracer, log)
		if err != nil {
			return err
		}
		apiCfg.Collectors = append(apiCfg.Collectors, collectors...)
	}
	if fnp, err := runFNP(parts, station, node, keys, log); err != nil {
		return err
	} else if fnp != nil {
		apiCfg.FNP = fnp
		apiCfg.Collectors = append(apiCfg.Collectors, fnp)
	}
	parts.run("configuration", configurator.Run, nil)
	boundMemory(station, self.Role)
	listener, err := net.Listen("tcp", self.API.String())
	if err != nil {
		return fmt.Errorf("api: %w", err)
	}
	apiServer := server.New(apiCfg)
	parts.run("api", func(context.Context) error { return apiServer.Serve(listener) }, apiServer.Close)
	log.Info("node started", "station", station.ID, "role", self.Role, "address", self.Address, "api", self.API, "version", c.Build)

	supervisor.ready()
	parts.run("signs of life", func(ctx context.Context) error {
		return supervisor.feed(ctx, func() (string, error) { return progress(node) })
	}, nil)

	<-ctx.Done()
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, context.Canceled):
	case errors.Is(cause, server.ErrSecurity), errors.Is(cause, server.ErrInsecure):
		return &ConfigError{cause}
	default:
		return cause
	}
	return nil
}

// runFEP starts what only a FEP has, and returns its metrics.
func runFEP(parts *parts, r *runner, station *configs.Station, node *cluster.Node, tracer *server.Tracer, log *slog.Logger) (_ []prometheus.Collector, err error) {
	if r.acquisition, err = acquisition.New(acquisitionConfig(r.current, node, tracer, log)); err != nil {
		return nil, err
	}
	forwardConfig, err := forwarderConfig(r.current, station, node, tracer, log)
	if err != nil {
		return nil, err
	}
	if r.forwarder, err = forwarder.New(forwardConfig); err != nil {
		return nil, err
	}
	redisConfig, err := rtdbConfig(r.current, node, log)
	if err != nil {
		return nil, err
	}
	redis, err := rtdb.New(redisConfig)
	if err != nil {
		return nil, err
	}
	parts.run("acquisition", r.acquisition.Run, nil)
	parts.run("forwarder", r.forwarder.Run, nil)
	parts.run("redis view", redis.Run, nil)
	if address := redis.Addr(); address != "" {
		log.Info("redis view", "mode", redisConfig.Mode, "address", address)
	}
	return []prometheus.Collector{fepCollector{acquisition: r.acquisition.Counters, forwarder: r.forwarder.Stats}, redis}, nil
}

// load loads what the node is to run, and what it may have to take on.
func load(c Config) (*rollout.Staged, *configs.Station, configs.Node, error) {
	if err := rollout.Complete(c.DataDir, c.File); err != nil {
		return nil, nil, configs.Node{}, err
	}
	station, err := configs.Load(c.File)
	if err != nil {
		return nil, nil, configs.Node{}, &ConfigError{err}
	}
	self, ok := station.Node(c.ID)
	if !ok {
		var ids []string
		for _, n := range station.Cluster.Nodes {
			ids = append(ids, n.ID)
		}
		return nil, nil, configs.Node{}, &ConfigError{fmt.Errorf("%w: %q, expected one of %q, the nodes in %s", ErrUnknownNode, c.ID, ids, filepath.Base(c.File))}
	}
	prepared, err := rollout.Pending(c.DataDir, station)
	return prepared, station, self, err
}
