package rtdb

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"strings"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/internal/redismode"
	"github.com/fepha/fepha/replica"
)

// Sentinel finds the server by its name.
type Sentinel struct {
	Master    string
	Addresses []string // host:port
}

// Control is what the configuration says of a DO or AO.
type Control struct {
	Type     uint8  // TypeID of the command
	Category string // DO, AO, 20, 26, 27, 29
}

// Config is what a [Publisher] works with.
type Config struct {
	Replica replica.Member
	Mode    redismode.Mode

	Address  string    // host:port, or unix:PATH. Embedded: where to listen; "" is any free loopback port
	Sentinel *Sentinel // instead of Address, or nil

	Username     string // "" is the server's default user
	PasswordFile string // read at each connect, without the line end; "": none

	// TLS is asked at each connect, to the server and to Sentinel. Nil: plain TCP.
	TLS func() *tls.Config

	// Describe tells whether a control is configured. Nil: no requests are taken from ctl:req.
	Describe func(fsm.PointKey) (Control, bool)

	Log *slog.Logger // nil: silent
}

func (c *Config) check() error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%w: mode %s: %s", ErrConfig, c.Mode, fmt.Sprintf(format, args...))
	}
	switch c.Mode {
	case redismode.Off:
		return nil
	case redismode.Embedded:
		if c.TLS != nil {
			return fail("the embedded server has no TLS")
		}
	case redismode.PerNode, redismode.Shared:
	default:
		return fmt.Errorf("%w: mode %q: expected off, embedded, per-node or shared", ErrConfig, c.Mode)
	}
	if c.Replica == nil {
		return fail("expected a replica")
	}
	if c.Username != "" && c.PasswordFile == "" {
		return fail("user %q: expected a password file beside it", c.Username)
	}
	if s := c.Sentinel; s != nil {
		if c.Mode == redismode.Embedded || c.Address != "" || s.Master == "" || len(s.Addresses) == 0 {
			return fail("Sentinel: expected a master's name and addresses, no address beside them, and mode per-node or shared")
		}
		return nil
	}
	if c.Mode == redismode.Embedded && c.Address == "" {
		return nil
	}
	if network, path := endpoint(c.Address); network == "unix" {
		if c.Mode == redismode.Shared || c.TLS != nil || path == "" {
			return fail("address %q: expected unix:PATH, with mode embedded or per-node, and without TLS", c.Address)
		}
		return nil
	}
	if _, _, err := net.SplitHostPort(c.Address); err != nil {
		return fail("address %q: expected host:port: %v", c.Address, err)
	}
	return nil
}

// endpoint takes an address apart, for net.Dial and net.Listen.
func endpoint(address string) (network, at string) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return "unix", path
	}
	return "tcp", address
}
