package rollout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// Config is what a Configurator works with.
type Config struct {
	File    string  // station.yaml, which the node was started with
	DataDir string  // the node's data folder
	Staged  *Staged // what was Pending at the start; nil: nothing
	Replica Replica
	Runner  Runner
	Log     *slog.Logger
}

// Replica is what a rollout asks of the replicated state.
type Replica interface {
	replica.Replica

	// Prepare tells the group what this node is ready to run, should it be put in force.
	Prepare(next *fsmpb.Configure)

	// CheckRoom tells whether the data folder has room for so many octets; if not, the error is for people.
	CheckRoom(octets int64) error
}

// A Runner runs a node by its configuration.
type Runner interface {
	// Running is the configuration that the node runs.
	Running() Running

	// Check says why the node could not run another one; nil if it could.
	Check(next *configs.Station) error

	// Run runs another one from now on. Links and clients that it does not concern stay connected.
	Run(next *configs.Station) error

	// Reconnects tells whether the links of an RTU would be closed, were its configuration to change.
	Reconnects(from, to *configs.RTU) bool
}

// Running is a configuration that is being run.
type Running struct {
	Station *configs.Station // without the points of uplinks
	Digest  string
	Uplinks map[string]string // digest of each uplink, its points included, by name
}

// A Configurator is a node's part in rollouts: it stages configurations, puts
// them in force together with the other nodes, and takes up what is in force.
type Configurator struct {
	file, dataDir string
	replica       Replica
	runner        Runner
	log           *slog.Logger

	mu     sync.Mutex // held by who checks, stages or takes up a configuration
	staged *Staged    // nil: nothing; without its Bundle, which lies in the data folder
}

var _ server.Configurator = (*Configurator)(nil)

// New makes the Configurator of a node.
func New(c Config) *Configurator {
	if c.Staged != nil {
		c.Staged.Bundle = nil
	}
	return &Configurator{file: c.File, dataDir: c.DataDir, replica: c.Replica, runner: c.Runner, log: c.Log, staged: c.Staged}
}

// Running tells what this node runs.
func (c *Configurator) Running() api.ConfigStatus {
	return api.ConfigStatus{Node: c.replica.ID(), Digest: c.runner.Running().Digest, InForce: c.inForce()}
}

// inForce is the digest of the group's configuration.
func (c *Configurator) inForce() (digest string) {
	c.replica.View(func(s *fsm.State) { digest = s.Config().GetDigest() })
	return digest
}

// Run takes up what was staged, when the state has it, until ctx ends.
func (c *Configurator) Run(ctx context.Context) error {
	var seen uint64
	for range replica.Follow(ctx, c.replica, replica.Pace{}) {
		var revision uint64
		c.replica.View(func(s *fsm.State) { revision = s.Revisions().Config })
		if revision != seen {
			seen = revision
			c.mu.Lock()
			c.takeUp()
			c.mu.Unlock()
		}
	}
	return nil
}

// takeUp runs what was staged if the state has it. c.mu is held.
func (c *Configurator) takeUp() {
	if c.staged == nil {
		return
	}
	inForce := false
	c.replica.View(func(s *fsm.State) { inForce = s.StageCompleted(c.staged.Stage, c.staged.Digest) })
	if !inForce {
		return
	}
	digest := c.staged.Digest
	c.staged = nil
	if err := c.take(); err != nil {
		// It has checked all this before, so it's the disk, or the folder's rights were changed. The node's next start
		// tries again; until then the group sees that it runs another configuration.
		c.log.Error("the configuration that was put in force can't be taken on", "digest", digest, "error", err)
		return
	}
	c.log.Info("another configuration is in force", "digest", digest)
}

// take runs what lies staged in the data folder, and writes it over the files
// that --config names.
func (c *Configurator) take() error {
	s, err := readStaged(c.dataDir, stagedFile)
	if err != nil {
		return err
	}
	if s == nil {
		return fmt.Errorf("%s is gone from %s", stagedFile, c.dataDir)
	}
	station, err := s.Load(c.file)
	if err != nil {
		return err
	}
	if err := commit(c.dataDir, c.file); err != nil {
		// The files are written at the next start, from the data folder: what runs is no worse for it.
		c.log.Error("files of the configuration are not written yet", "error", err)
	}
	return c.runner.Run(station)
}

// Stage checks a bundle on this node and, but for stage 0, keeps it.
func (c *Configurator) Stage(ctx context.Context, octets []byte, stage, index uint64) error {
	if err := c.replica.WaitApplied(ctx, index); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.takeUp() // what an earlier stage has put in force is taken on before it's overwritten
	files, station, err := loadBundle(octets, c.file)
	if err != nil {
		return api.Invalid(err)
	}
	if err := c.check(station, files); err != nil {
		return err
	}
	if stage == 0 {
		return nil
	}
	if c.staged != nil && c.staged.Stage > stage {
		return api.Conflict(errors.New("another change of the configuration has begun since"))
	}
	// It's kept as text, and then it and its files lie there beside the former ones.
	if err := c.replica.CheckRoom(4 * int64(len(octets))); err != nil {
		return api.Conflict(err)
	}
	next := &Staged{Stage: stage, Base: c.runner.Running().Digest, Digest: station.Digest(), Bundle: octets}
	if err := next.keep(c.dataDir); err != nil {
		return api.Conflict(fmt.Errorf("the configuration can't be kept: %w", err))
	}
	declared := Declaration(station)
	declared.Stage = stage
	c.replica.Prepare(declared)
	next.Bundle = nil
	c.staged = next
	return nil
}

// check tells whether this node could run a configuration. c.mu is held.
func (c *Configurator) check(station *configs.Station, files *configs.Bundle) error {
	if own, inForce := c.runner.Running().Digest, c.inForce(); own != inForce {
		return api.Conflict(fmt.Errorf("it runs configuration %.12s, and the group has %.12s in force: start it anew with the files of the others first", own, inForce))
	}
	if keys := configs.Fixed(c.runner.Running().Station, station); len(keys) > 0 {
		return api.Invalid(fmt.Errorf("%s can't be changed while the station runs: expected what's in force. "+
			"Edit the files on each node and start one node after the other; for members see `fepha raft add` and `fepha raft remove`", strings.Join(keys, ", ")))
	}
	if err := files.Writable(c.file); err != nil {
		return api.Conflict(err)
	}
	if err := c.runner.Check(station); err != nil {
		return api.Invalid(err)
	}
	if err := c.listenable(station); err != nil {
		return api.Conflict(err)
	}
	return nil
}

// listenable tries the addresses on which only the new configuration listens.
func (c *Configurator) listenable(next *configs.Station) error {
	var errs []error
	taken := map[string]bool{}
	for _, u := range c.runner.Running().Station.Uplinks {
		taken[u.Listen[c.replica.ID()].String()] = true
	}
	for _, u := range next.Uplinks {
		address := u.Listen[c.replica.ID()].String()
		if taken[address] {
			continue
		}
		l, err := net.Listen("tcp", address)
		if err == nil {
			err = l.Close()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("uplink %s: %w", u.Name, err))
		}
	}
	return errors.Join(errs...)
}

// changes is what a configuration would change, and what is dropped for it.
func (c *Configurator) changes(next *configs.Station) []api.ConfigChange {
	running := c.runner.Running()
	from := running.Station
	// The points of uplinks are not kept. If somebody has edited the files already, it's not told how many change.
	loaded, err := configs.Load(c.file)
	known := err == nil && loaded.Digest() == running.Digest
	if known {
		from = loaded
	}
	list := []api.ConfigChange{}
	for _, d := range configs.Compare(from, next) {
		if u, ok := next.Uplink(d.Uplink); ok && d.How == "changed" && !known {
			if d.Detail = ""; u.Digest() == running.Uplinks[u.Name] {
				continue
			}
		}
		change := api.ConfigChange{What: d.Part, How: d.How, Detail: d.Detail, Drops: []string{}}
		if d.How != "added" && c.concerned(from, next, d) {
			change.Drops = c.connections(d)
		}
		list = append(list, change)
	}
	return list
}

// concerned tells whether a change costs connections.
func (c *Configurator) concerned(from, next *configs.Station, d configs.Change) bool {
	switch {
	case d.How == "removed":
		return true
	case d.RTU != 0:
		a, _ := from.RTU(d.RTU)
		b, _ := next.RTU(d.RTU)
		return c.runner.Reconnects(a, b)
	}
	return d.Settings
}

// connections are those of an RTU or uplink just now.
func (c *Configurator) connections(d configs.Change) (list []string) {
	list = []string{}
	c.replica.View(func(s *fsm.State) {
		for _, n := range s.Nodes() {
			for _, l := range s.Links(d.RTU, n.ID) {
				if l.State == fsm.LinkActive || l.State == fsm.LinkStandby {
					list = append(list, fmt.Sprintf("link %d:%d on %s (%v)", l.Channel, l.Link, n.ID, l.State))
				}
			}
		}
		for _, g := range s.Groups() {
			for _, client := range g.Clients {
				if d.Uplink != "" && g.Uplink == d.Uplink {
					list = append(list, fmt.Sprintf("client %s on %s (%s)", client.Address, client.Node, client.Role))
				}
			}
		}
	})
	return list
}

// waitInForce waits until the state of this node has a configuration.
func (c *Configurator) waitInForce(ctx context.Context, digest string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		c.mu.Lock()
		c.takeUp()
		c.mu.Unlock()
		if c.runner.Running().Digest == digest {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// begin begins a stage, and returns its number and the entry that did it.
func (c *Configurator) begin(ctx context.Context) (stage, index uint64, err error) {
	c.replica.View(func(s *fsm.State) { stage = s.ConfigStage() })
	r, err := c.replica.Propose(ctx, &fsmpb.Command{Op: &fsmpb.Command_ConfigStage{ConfigStage: &fsmpb.ConfigStage{Expect: stage}}})
	if err != nil {
		return 0, 0, err
	}
	if r.Code != fsmpb.Result_OK {
		return 0, 0, api.Conflict(fmt.Errorf("%s: try again", r.Message))
	}
	return stage + 1, r.Index, nil
}
