package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server"
	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// Config is what a Configurator works with.
type Config struct {
	File     string // station.yaml, which the node was started with
	DataDir  string // the node's data folder
	Replica  Replica
	Runner   Runner
	Reporter condition.Reporter
	Log      *slog.Logger
}

// Replica is what a rollout asks of the replicated state.
type Replica interface {
	replica.Replica

	// IsLeader tells whether this node leads.
	IsLeader() bool

	// CaughtUp tells whether View shows what the group had committed a moment ago.
	CaughtUp() bool

	// Runs tells the group what this node runs from now on.
	Runs(*fsmpb.Configure)

	// Keeps tells that the node doesn't run the configuration in force, and whether it may own something all the same.
	Keeps(inForce string, owns bool)

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

// A Configurator is a node's part in rollouts: it checks configurations, puts them in force, and takes up what is in force.
type Configurator struct {
	Config

	mu      sync.Mutex // held by who checks or takes up a configuration
	current bool       // the state was up to date once since the start; guarded by mu, as are the next
	settled bool       // it has run what is in force since then
	refused string     // digest in force that it can't take on
}

var _ server.Configurator = (*Configurator)(nil)

// New makes the Configurator of a node.
func New(c Config) *Configurator { return &Configurator{Config: c} }

// Running tells what this node runs.
func (c *Configurator) Running() api.ConfigStatus {
	s := api.ConfigStatus{Node: c.Replica.ID(), Digest: c.Runner.Running().Digest}
	c.Replica.View(func(st *fsm.State) {
		s.InForce = st.Config().GetDigest()
		if v, ok := st.FilesInForce(); ok {
			s.Version = v.Number
		}
	})
	return s
}

// Settings is what this node runs, defaults written out.
func (c *Configurator) Settings() (json.RawMessage, error) {
	text, err := c.Runner.Running().Station.YAML()
	if err != nil {
		return nil, err
	}
	return yaml.YAMLToJSON(text)
}

// Check tells whether this node could run what's in a bundle, once it runs what was in force at an entry.
func (c *Configurator) Check(ctx context.Context, octets []byte, index uint64) error {
	if err := c.Replica.WaitApplied(ctx, index); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.follow()
	files, station, err := loadBundle(octets, c.File)
	if err != nil {
		return c.invalid(err)
	}
	running := c.Runner.Running()
	if inForce := c.inForce(); running.Digest != inForce {
		return api.Conflict(fmt.Errorf("it runs configuration %.12s, and the group has %.12s in force: see its conditions, and what `fepha config get` writes", running.Digest, inForce))
	}
	if keys := configs.Fixed(running.Station, station); len(keys) > 0 {
		return api.Invalid(fmt.Errorf("%s can't be changed while the station runs: expected what's in force. "+
			"Edit these alone on each node and start one node after the other; for members see `fepha raft add` and `fepha raft remove`", strings.Join(keys, ", ")))
	}
	if err := files.Writable(c.File); err != nil {
		return api.Conflict(err)
	}
	if err := c.Runner.Check(station); err != nil {
		return api.Invalid(err)
	}
	if err := c.listenable(station); err != nil {
		return api.Conflict(err)
	}
	// It lies in the state and its files beside the former ones.
	if err := c.Replica.CheckRoom(4 * int64(len(octets))); err != nil {
		return api.Conflict(err)
	}
	return nil
}

// inForce is the digest of the group's configuration.
func (c *Configurator) inForce() (digest string) {
	c.Replica.View(func(s *fsm.State) { digest = s.Config().GetDigest() })
	return digest
}

// listenable tries the addresses on which only the new configuration listens.
func (c *Configurator) listenable(next *configs.Station) error {
	var errs []error
	for _, n := range newAddresses(c.Runner.Running().Station, next, c.Replica.ID()) {
		l, err := net.Listen("tcp", n.address)
		if err == nil {
			err = l.Close()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("uplink %s: %w", n.uplink, err))
		}
	}
	return errors.Join(errs...)
}

// listener is where an uplink listens on a node.
type listener struct{ uplink, address string }

// newAddresses are those on which a node listens with one configuration and doesn't with the one before.
func newAddresses(from, to *configs.Station, node string) (list []listener) {
	taken := map[string]bool{}
	for _, u := range from.Uplinks {
		taken[u.Listen[node].String()] = true
	}
	for _, u := range to.Uplinks {
		if on, listens := u.Listen[node]; listens && !taken[on.String()] {
			list = append(list, listener{u.Name, on.String()})
		}
	}
	return list
}
