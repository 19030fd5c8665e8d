package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/fepha/fepha/acquisition"
	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server"
	"github.com/fepha/fepha/cluster"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/forwarder"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// A configurator puts another configuration in force on this node while it
// runs. How three nodes do it together is in docs/ACQUISITION.md.
type configurator struct {
	file, dataDir string // of station.yaml, of this node
	node          *cluster.Node
	current       *current
	log           *slog.Logger

	// Of a FEP; nil on the witness.
	acquisition *acquisition.Manager
	forwarder   *forwarder.Forwarder

	mu     sync.Mutex // held by who checks, stages or takes on a configuration
	staged *staged    // nil: nothing; without its Bundle, which lies in the data folder
}

var _ server.Configurator = (*configurator)(nil)

// Running tells what this node runs.
func (c *configurator) Running() api.ConfigStatus {
	return api.ConfigStatus{Node: c.node.ID(), Digest: c.current.digest(), InForce: c.inForce()}
}

// inForce is the digest of the group's configuration.
func (c *configurator) inForce() (digest string) {
	c.node.View(func(s *fsm.State) { digest = s.Config().GetDigest() })
	return digest
}

// run takes on what was staged, when the state has it, until ctx ends.
func (c *configurator) run(ctx context.Context) error {
	var seen uint64
	for {
		_, grown := c.node.Applied()
		var revision uint64
		c.node.View(func(s *fsm.State) { revision = s.Revisions().Config })
		if revision != seen {
			seen = revision
			c.mu.Lock()
			c.settle()
			c.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-grown:
		}
	}
}

// settle takes on what was staged if the state has it. c.mu is held.
func (c *configurator) settle() {
	if c.staged == nil {
		return
	}
	in := false
	c.node.View(func(s *fsm.State) { in = s.StageCompleted(c.staged.Stage, c.staged.Digest) })
	if !in {
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
func (c *configurator) take() error {
	s, err := readStaged(c.dataDir, stagedFile)
	if err != nil {
		return err
	}
	if s == nil {
		return fmt.Errorf("%s is gone from %s", stagedFile, c.dataDir)
	}
	station, err := s.load(c.file)
	if err != nil {
		return err
	}
	if err := complete(c.dataDir, c.file); err != nil {
		// The files are written at the next start, from the data folder: what runs is no worse for it.
		c.log.Error("files of the configuration are not written yet", "error", err)
	}
	uplinks, err := forwarderUplinks(c.current, station, c.node.ID())
	c.current.set(station)
	self, _ := station.Node(c.node.ID())
	boundMemory(station, self.Role)
	if err != nil || c.acquisition == nil {
		return err
	}
	return errors.Join(c.acquisition.Configure(acquisitionRTUs(station)), c.forwarder.Configure(uplinks))
}

// Stage checks a bundle on this node and, but for stage 0, keeps it.
func (c *configurator) Stage(ctx context.Context, octets []byte, stage, index uint64) error {
	if err := c.node.WaitApplied(ctx, index); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle() // what an earlier stage has put in force is taken on before it's overwritten
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
	next := &staged{Stage: stage, Base: c.current.digest(), Digest: station.Digest(), Bundle: octets}
	if err := next.keep(c.dataDir); err != nil {
		return api.Conflict(fmt.Errorf("the configuration can't be kept: %w", err))
	}
	declared := declaration(station)
	declared.Stage = stage
	c.node.Prepare(declared)
	next.Bundle = nil
	c.staged = next
	return nil
}

// check tells whether this node could run a configuration. c.mu is held.
func (c *configurator) check(station *configs.Station, files *configs.Bundle) error {
	if own, inForce := c.current.digest(), c.inForce(); own != inForce {
		return api.Conflict(fmt.Errorf("it runs configuration %.12s, and the group has %.12s in force: start it anew with the files of the others first", own, inForce))
	}
	if keys := configs.Fixed(c.current.station(), station); len(keys) > 0 {
		return api.Invalid(fmt.Errorf("%s can't be changed while the station runs: expected what's in force. "+
			"Edit the files on each node and start one node after the other; for members see `fepha raft add` and `fepha raft remove`", strings.Join(keys, ", ")))
	}
	if err := files.Writable(c.file); err != nil {
		return api.Conflict(err)
	}
	if c.acquisition == nil {
		return nil
	}
	uplinks, err := forwarderUplinks(c.current, station, c.node.ID())
	if err != nil {
		return api.Invalid(err)
	}
	_, errRTUs := acquisition.New(acquisition.Config{Cluster: c.node, Node: c.node.ID(), RTUs: acquisitionRTUs(station)})
	_, errUplinks := forwarder.New(forwarder.Config{Node: c.node, Uplinks: uplinks})
	if err := errors.Join(errRTUs, errUplinks); err != nil {
		return api.Invalid(err)
	}
	if err := c.listenable(station); err != nil {
		return api.Conflict(err)
	}
	return nil
}

// listenable tries the addresses on which only the new configuration listens.
func (c *configurator) listenable(next *configs.Station) error {
	var errs []error
	taken := map[string]bool{}
	for _, u := range c.current.station().Uplinks {
		taken[u.Listen[c.node.ID()].String()] = true
	}
	for _, u := range next.Uplinks {
		address := u.Listen[c.node.ID()].String()
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
func (c *configurator) changes(next *configs.Station) []api.ConfigChange {
	from, in := c.current.station(), c.current.in.Load()
	// The points of uplinks are not kept. If somebody has edited the files already, it's not told how many change.
	loaded, err := configs.Load(c.file)
	known := err == nil && loaded.Digest() == in.digest
	if known {
		from = loaded
	}
	list := []api.ConfigChange{}
	for _, d := range configs.Compare(from, next) {
		if u, ok := next.Uplink(d.Uplink); ok && d.How == "changed" && !known {
			if d.Detail = ""; u.Digest() == in.uplinks[u.Name] {
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
func (c *configurator) concerned(from, next *configs.Station, d configs.Change) bool {
	switch {
	case d.How == "removed":
		return true
	case d.RTU != 0:
		a, _ := from.RTU(d.RTU)
		b, _ := next.RTU(d.RTU)
		return acquisitionRTU(a).Concerned(acquisitionRTU(b))
	}
	return d.Settings
}

// connections are those of an RTU or uplink just now.
func (c *configurator) connections(d configs.Change) (list []string) {
	list = []string{}
	c.node.View(func(s *fsm.State) {
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
func (c *configurator) waitInForce(ctx context.Context, digest string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		c.mu.Lock()
		c.settle()
		c.mu.Unlock()
		if c.current.digest() == digest {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// begin has a stage begun, and returns its number and the entry that did it.
func (c *configurator) begin(ctx context.Context) (stage, index uint64, err error) {
	c.node.View(func(s *fsm.State) { stage = s.ConfigStage() })
	r, err := c.node.Propose(ctx, &fsmpb.Command{Op: &fsmpb.Command_ConfigStage{ConfigStage: &fsmpb.ConfigStage{Expect: stage}}})
	if err != nil {
		return 0, 0, err
	}
	if r.Code != fsmpb.Result_OK {
		return 0, 0, api.Conflict(fmt.Errorf("%s: try again", r.Message))
	}
	return stage + 1, r.Index, nil
}
