package node

import (
	"crypto/tls"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/fepha/fepha/acquisition"
	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server"
	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/internal/certs"
	"github.com/fepha/fepha/node/watch"
)

// current is the configuration that a node runs. It may become another one at
// any time, so whoever needs it while running asks again each time.
type current struct {
	in  atomic.Pointer[inForce]
	log *slog.Logger

	mu      sync.Mutex
	tls     map[configs.TLS]*tls.Config
	devices map[configs.TLS]*acquisition.TLS
}

// inForce is a configuration with what would take time to make of it.
type inForce struct {
	station  *configs.Station // without the points of uplinks, which the forwarder has in a form of its own
	digest   string
	uplinks  map[string]string  // digests
	tables   []condition.Report // what is wrong with its tables
	describe func(fsm.PointKey) (server.PointInfo, bool)

	addresses *addresses
}

func newCurrent(s *configs.Station, log *slog.Logger) *current {
	c := &current{log: log, tls: map[configs.TLS]*tls.Config{}, devices: map[configs.TLS]*acquisition.TLS{}}
	c.set(s)
	return c
}

func (c *current) set(s *configs.Station) {
	kept := *s
	in := &inForce{station: &kept, digest: s.Digest(), uplinks: map[string]string{}, tables: watch.Unforwarded(s), describe: describer(&kept), addresses: newAddresses(s)}
	kept.Uplinks = slices.Clone(s.Uplinks)
	for i := range kept.Uplinks {
		u := &kept.Uplinks[i]
		in.uplinks[u.Name] = u.Digest()
		u.Points = nil
	}
	c.in.Store(in)
}

func (c *current) station() *configs.Station { return c.in.Load().station }

func (c *current) tables() []condition.Report { return c.in.Load().tables }

func (c *current) describe(k fsm.PointKey) (server.PointInfo, bool) { return c.in.Load().describe(k) }

func (c *current) addresses(k fsm.PointKey) []api.UplinkAddress { return c.in.Load().addresses.of(k) }

func (c *current) uplinkTable(name string) ([]server.UplinkRow, bool) {
	return c.in.Load().addresses.table(name)
}

// table are the monitored points of an RTU.
func (c *current) table(rtu uint32) []fsm.PointKey {
	return c.points(rtu, func(k fsm.Kind) bool { return !k.IsControl() })
}

// controls are the points of an RTU that can be operated.
func (c *current) controls(rtu uint32) []fsm.PointKey { return c.points(rtu, fsm.Kind.IsControl) }

// points are those of an RTU's table that are of such a kind.
func (c *current) points(rtu uint32, of func(fsm.Kind) bool) (keys []fsm.PointKey) {
	r, ok := c.station().RTU(rtu)
	if !ok {
		return nil
	}
	for i := range r.Points {
		if p := &r.Points[i]; of(p.Kind) {
			keys = append(keys, fsm.PointKey{RTU: rtu, Kind: p.Kind, Point: p.Number})
		}
	}
	return keys
}

// commonAddress is that of an RTU; 0: there is none with this number.
func (c *current) commonAddress(rtu uint32) uint16 {
	if r, ok := c.station().RTU(rtu); ok {
		return r.CommonAddress
	}
	return 0
}

// commonAddresses are those of an uplink, its own and those of its sectors.
func (c *current) commonAddresses(uplink string) (list []uint16) {
	u, ok := c.station().Uplink(uplink)
	if !ok {
		return nil
	}
	list = append(list, u.CommonAddress)
	for _, s := range u.Sectors {
		list = append(list, s.CommonAddress)
	}
	return list
}

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

// deviceTLS is that of an RTU's links. The same files give the same pointer: another one would be another RTU.
func (c *current) deviceTLS(t *configs.TLS) (*acquisition.TLS, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.devices[*t]; d != nil {
		return d, nil
	}
	source, err := certs.Watch(certFiles(t), c.log)
	if err != nil {
		return nil, err
	}
	base := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	c.devices[*t] = &acquisition.TLS{Client: func() *tls.Config { return source.Client(base) }}
	return c.devices[*t], nil
}

// serverTLS is that of an uplink: it shows the certificates that the files hold
// at each handshake. The same files give the same pointer: another one would be
// another uplink.
func (c *current) serverTLS(t *configs.TLS) (*tls.Config, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cfg := c.tls[*t]; cfg != nil {
		return cfg, nil
	}
	source, err := certs.Watch(certFiles(t), c.log)
	if err != nil {
		return nil, err
	}
	base := &tls.Config{MinVersion: tls.VersionTLS12}
	if !t.CA.IsZero() {
		base.ClientAuth = tls.RequireAndVerifyClientCert // IEC 62351-3
	}
	c.tls[*t] = source.Server(base)
	return c.tls[*t], nil
}
