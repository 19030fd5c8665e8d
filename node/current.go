package node

import (
	"crypto/tls"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/fepha/fepha/api/server"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm"
)

// current is the configuration that a node runs. It may become another one at
// any time, so whoever needs it while running asks again each time.
type current struct {
	in atomic.Pointer[inForce]

	mu  sync.Mutex
	tls map[configs.TLS]*tls.Config // as loaded; the same files are the same pointer
}

// inForce is a configuration with what would take time to make of it.
type inForce struct {
	station  *configs.Station // without the points of uplinks, which the forwarder has in a form of its own
	digest   string
	uplinks  map[string]string // digests
	describe func(fsm.PointKey) (server.PointInfo, bool)
}

func newCurrent(s *configs.Station) *current {
	c := &current{tls: map[configs.TLS]*tls.Config{}}
	c.set(s)
	return c
}

func (c *current) set(s *configs.Station) {
	kept := *s
	in := &inForce{station: &kept, digest: s.Digest(), uplinks: map[string]string{}, describe: describer(&kept)}
	kept.Uplinks = slices.Clone(s.Uplinks)
	for i := range kept.Uplinks {
		u := &kept.Uplinks[i]
		in.uplinks[u.Name] = u.Digest()
		u.Points = nil
	}
	c.in.Store(in)
}

func (c *current) station() *configs.Station { return c.in.Load().station }

func (c *current) digest() string { return c.in.Load().digest }

func (c *current) describe(k fsm.PointKey) (server.PointInfo, bool) { return c.in.Load().describe(k) }

// links are the addresses of each channel's links of an RTU.
func (c *current) links(rtu uint32) (channels [][]string) {
	r, ok := c.station().RTU(rtu)
	if !ok {
		return nil
	}
	for _, c := range r.Channels {
		var links []string
		for _, l := range c.Links {
			links = append(links, l.Address.String())
		}
		channels = append(channels, links)
	}
	return channels
}

// serverTLS is that of an uplink. Files that were loaded before are not loaded
// again: another pointer would be another uplink.
func (c *current) serverTLS(t *configs.TLS) (*tls.Config, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cfg := c.tls[*t]; cfg != nil {
		return cfg, nil
	}
	cfg, err := serverTLS(t)
	if err == nil {
		c.tls[*t] = cfg
	}
	return cfg, err
}
