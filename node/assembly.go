package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fepha/fepha/acquisition"
	"github.com/fepha/fepha/api/server"
	"github.com/fepha/fepha/api/server/access"
	"github.com/fepha/fepha/api/server/trace"
	"github.com/fepha/fepha/cluster"
	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/condition/reporter"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/export"
	"github.com/fepha/fepha/filestore"
	"github.com/fepha/fepha/forwarder"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/internal/carrier"
	"github.com/fepha/fepha/internal/listen"
	"github.com/fepha/fepha/node/backup"
	"github.com/fepha/fepha/node/filecopy"
	"github.com/fepha/fepha/node/firstadmin"
	"github.com/fepha/fepha/node/rollout"
	"github.com/fepha/fepha/node/watch"
	"github.com/fepha/fepha/replica"
	"github.com/fepha/fepha/rtdb"
	"github.com/fepha/fepha/trend"
)

// assembly is a node of which nothing runs yet. Whatever can be wrong with its
// configuration is found while it is put together: a node that has joined the
// group is given RTUs at once, and must not end then. An address that isn't
// there yet, but for the one between nodes, is tried again.
type assembly struct {
	config  Config
	station *configs.Station
	self    configs.Node
	log     *slog.Logger

	member  *member
	cluster cluster.Config
	latency *commitLatency
	runner  *runner
	rollout *rollout.Configurator
	redis   *rtdb.Publisher  // of a FEP, else nil
	exports *export.Manager  // as well
	files   *filestore.Store // as well
	carrier *carrier.Watcher // as well
	backups *backup.Keeper   // as well
	fnp     *fnp             // nil: the station has none
	api     *server.Server

	conditions *reporter.Reporter
	trend      *trend.Recorder
	group      *watch.Group
	machine    *watch.Machine
	reach      *watch.Reach
	last       lastRun
}

// member is the group's node as the parts know it, which are made before it.
type member struct {
	*cluster.Node // nil until it is started
	id            string
}

// ID implements replica.Replica.
func (m *member) ID() string { return m.id }

// assemble puts a node together from the bottom up. What is wrong with the
// configuration is a ConfigError.
func assemble(c Config) (*assembly, error) {
	station, self, err := load(c)
	if err != nil {
		return nil, err
	}
	if c.LogZone != nil {
		c.LogZone(station.Location)
	}
	a := &assembly{
		config: c, station: station, self: self, log: c.Log,
		member: &member{id: c.ID}, cluster: clusterConfig(station, c), latency: newCommitLatency(),
	}
	if n := station.Warnings.Total; n > 0 {
		a.log.Warn("the configuration has warnings: `fepha config check` lists them", "warnings", n, "first", station.Warnings.List[0].Error())
	}
	a.cluster.Logger, a.cluster.OnCommit, a.cluster.OnStuck = a.log, a.latency.observe, a.stuck
	a.runner = &runner{current: newCurrent(station, a.log), replica: a.member}
	a.conditions = reporter.New(reporter.Config{Replica: a.member, Leads: func() bool { return a.member.IsLeader() }, Log: a.log})
	a.rollout = rollout.New(rollout.Config{
		File: c.File, DataDir: c.DataDir, Replica: a.member, Runner: a.runner, Reporter: a.conditions, Log: a.log,
	})
	a.group = &watch.Group{
		Node: a.member, Config: a.runner.current.station, Tables: a.runner.current.tables, Build: c.Build.String(), Reporter: a.conditions,
	}
	a.trend = trend.New(func(read func(*fsm.State)) { a.member.View(read) }, trend.Shape(station.Trend))
	a.runner.trend = a.trend
	a.last = lastRun{c.DataDir}
	a.machine = &watch.Machine{
		Node: c.ID, DataDir: c.DataDir, Reporter: a.conditions, Synced: !onOneMachine(station),
		Disk:  func() cluster.Disk { return a.member.Disk() },
		Files: func() []configs.NamedFile { return a.runner.current.station().Named },
	}
	a.reach = &watch.Reach{Node: a.member, Reporter: a.conditions, Addresses: map[string]string{}}
	for _, n := range station.Cluster.Nodes {
		if n.ID != c.ID {
			a.reach.Addresses[n.ID] = n.APIAddress()
		}
	}
	a.cluster.Vitals = a.vitals
	if err := a.assembleParts(); err != nil {
		return nil, &ConfigError{err}
	}
	return a, nil
}

// vitals is how this node is, for the others to show; nil: it has not looked yet.
func (a *assembly) vitals() *replica.Vitals {
	seen := a.machine.Vitals()
	if seen == nil {
		return nil
	}
	v := *seen
	v.Reaches, v.Misses = a.reach.Seen()
	return &v
}

// assembleParts makes what talks to devices, control centres, stations and people.
func (a *assembly) assembleParts() (err error) {
	tracer := new(trace.Tracer)
	cfg := apiConfig(a.runner.current, a.member, a.log)
	cfg.Tracer, cfg.Configurator, cfg.Build, cfg.CommitLatency = tracer, a.rollout, a.config.Build, a.latency.percentiles
	cfg.LogTail = a.config.LogTail
	if err := cfg.Security.Check(); err != nil { // before anything is made in the data folder
		return err
	}
	cfg.Collectors = []prometheus.Collector{clusterCollector{a.member}, a.latency}
	cfg.Holding, cfg.Settled = a.conditions.Holding, a.group.Settled
	if a.self.Role == configs.RoleFEP {
		if err := a.assembleFEP(tracer); err != nil {
			return err
		}
		cfg.Backups = a.backups
		cfg.Files = a.files
		cfg.Unanswered, cfg.Trend = a.runner.unanswered, a.trend.Read
		cfg.Collectors = append(cfg.Collectors, exportCollector{a.exports})
		cfg.Collectors = append(cfg.Collectors, fepCollector{acquisition: a.runner.acquisition.Counters, forwarder: a.runner.forwarder.Stats}, a.redis)
	}
	if a.station.FNP != nil {
		if a.fnp, err = newFNP(a.station, a.member, a.log); err != nil {
			return fmt.Errorf("fnp: %w", err)
		}
		cfg.FNP = a.fnp
		cfg.Collectors = append(cfg.Collectors, a.fnp)
	}
	a.api = server.New(cfg)
	return nil
}

// assembleFEP makes what only a FEP has.
func (a *assembly) assembleFEP(tracer *trace.Tracer) (err error) {
	r := a.runner
	acquire, err := acquisitionConfig(r.current, a.member, a.conditions, tracer, a.log)
	if err != nil {
		return err
	}
	if a.files, err = filestore.Open(filepath.Join(a.config.DataDir, "files"), filestore.MaxTotal, a.log); err != nil {
		return err
	}
	a.cluster.Files, acquire.Files = filecopy.Shared{Store: a.files}, a.files
	a.carrier = carrier.New(a.log)
	acquire.OnCarrierLoss = a.carrier.OnLoss
	if r.acquisition, err = acquisition.New(acquire); err != nil {
		return err
	}
	forward, err := forwarderConfig(r.current, a.station, a.member, a.conditions, tracer, a.log)
	if err != nil {
		return err
	}
	forward.OnCarrierLoss, forward.Files = a.carrier.OnLoss, a.files
	if r.forwarder, err = forwarder.New(forward); err != nil {
		return err
	}
	view, err := rtdbConfig(r.current, a.member, a.config.DataDir, a.log)
	if err != nil {
		return err
	}
	if a.redis, err = rtdb.New(view); err != nil {
		return err
	}
	exports, err := exportConfig(r.current, a.member, a.conditions, a.log)
	if err != nil {
		return err
	}
	a.exports = export.New(exports)
	a.backups = &backup.Keeper{Source: a.backupSource, Config: r.current.station, Node: a.config.ID, Reporter: a.conditions, Log: a.log}
	a.machine.Redis = func() (address, reason string) { return a.station.Redis.Address, a.redis.Stats().LastError }
	return nil
}

// stuck ends the process. A disk that hangs may never let a thread go, so
// nothing is waited for: the links are closed, and the supervisor starts the
// process anew.
func (a *assembly) stuck(err error) {
	a.log.Error("node stuck: ending at once", "error", err)
	a.last.stuck()
	exit(1)
}

// run joins the group, starts the parts from the bottom up, and ends them from
// the top down when ctx ends or one of them fails.
func (a *assembly) run(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if a.member.Node, err = cluster.Start(a.cluster); errors.Is(err, cluster.ErrConfig) {
		return &ConfigError{err}
	} else if err != nil {
		return err
	}
	a.tellLastRun()
	parts, supervisor := newParts(cancel), newSupervisor(a.log)
	service := enterService(a.member, a.log)
	defer func() {
		supervisor.stopping()
		service.end()
		if asked := errors.Is(context.Cause(ctx), context.Canceled); asked {
			handOver(a.member, a.log)
		}
		parts.stop()
		if err := a.member.Close(); err != nil {
			a.log.Error("closing the node", "error", err)
		}
		a.last.end(err)
		a.log.Info("node ended")
	}()
	a.start(parts)
	boundMemory(a.station, a.self.Role)
	a.log.Info("node started", "station", a.station.ID, "role", a.self.Role, "address", a.self.Address, "api", a.self.API, "version", a.config.Build.String())
	supervisor.ready()
	parts.run("signs of life", func(ctx context.Context) error {
		return supervisor.feed(ctx, func() (string, error) { return progress(a.member.Node) })
	}, nil)

	<-ctx.Done()
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, context.Canceled):
	case errors.Is(cause, access.ErrSecurity), errors.Is(cause, access.ErrInsecure):
		return &ConfigError{cause}
	default:
		return cause
	}
	return nil
}

// tellLastRun reports how the run before ended, if it wasn't asked to, and marks that this one goes on.
func (a *assembly) tellLastRun() {
	if reason := a.last.reason(); reason != "" {
		a.conditions.Set(condition.Report{Kind: condition.Crashed, Resource: "node/" + a.config.ID, Values: condition.Values(reason)})
	}
	if err := a.last.begin(); err != nil {
		a.log.Error("the next run won't know how this one ended", "error", err)
	}
}

// onOneMachine tells whether all nodes are on this host, and so have one clock.
func onOneMachine(s *configs.Station) bool {
	return !slices.ContainsFunc(s.Cluster.Nodes, func(n configs.Node) bool { return !n.Address.Addr().IsLoopback() })
}

// start runs the parts.
func (a *assembly) start(parts *parts) {
	parts.run("conditions", a.conditions.Run, nil)
	parts.run("watch over the group", a.group.Run, nil)
	parts.run("watch over the machine", a.machine.Run, nil)
	parts.run("watch over the ways to the others", a.reach.Run, nil)
	if a.self.Role == configs.RoleFEP {
		parts.run("watch over the interfaces", a.carrier.Run, nil)
		parts.run("acquisition", a.runner.acquisition.Run, nil)
		parts.run("forwarder", a.runner.forwarder.Run, nil)
		parts.run("redis view", a.redis.Run, nil)
		parts.run("trend of analogs", a.trend.Run, nil)
		parts.run("exports", a.exports.Run, nil)
		parts.run("backups", a.backups.Run, nil)
		parts.run("copies of devices' files", a.copyFiles, nil)
		if address := a.redis.Addr(); address != "" {
			a.log.Info("redis view", "mode", a.station.Redis.Mode, "address", address)
		}
	}
	if a.fnp != nil {
		a.fnp.start(parts)
	}
	parts.run("configuration", a.rollout.Run, nil)
	parts.run("first admin", func(ctx context.Context) error {
		return firstadmin.Run(ctx, a.member, a.config.DataDir, a.log)
	}, nil)
	parts.run("api", a.serve, a.api.Close)
	runSocket(parts, a.api, a.config.DataDir, a.log)
}

// copyFiles keeps what the other FEP has of devices' files here too.
func (a *assembly) copyFiles(ctx context.Context) error {
	var others []string
	for _, n := range a.station.Cluster.Nodes {
		if n.Role == configs.RoleFEP && n.ID != a.self.ID {
			others = append(others, n.ID)
		}
	}
	return filecopy.Run(ctx, a.files, a.member, others, a.log)
}

// serve answers on the API's address, from when it is there.
func (a *assembly) serve(ctx context.Context) error {
	var l net.Listener
	err := listen.Retry(ctx, a.log, "api", a.self.API.String(), func() (err error) {
		l, err = net.Listen("tcp", a.self.API.String())
		return err
	})
	if err != nil {
		return nil // ctx has ended
	}
	return a.api.Serve(l)
}
