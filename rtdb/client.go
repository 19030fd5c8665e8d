package rtdb

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fepha/fepha/internal/passwordfile"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

// How long the server may take. A batch is some hundred kB at most, so one that takes longer is no use as a view.
const (
	dialTimeout = 2 * time.Second
	ioTimeout   = 3 * time.Second
)

// poolSize is more than the connections that a client has here: go-redis, when as many have failed, starts a goroutine
// that nobody can wait for.
const poolSize = 64

// go-redis would log each attempt by itself; here an outage is one line.
func init() { redis.SetLogger(&logging.VoidLogger{}) }

// connector makes clients. A client lives until its first error, so what it says of the server is never from before.
type connector struct {
	cfg     *Config
	address string // without Sentinel
	at      string // for people
	name    string // that connections give themselves; "": none
}

func newConnector(cfg *Config, address string) connector {
	c := connector{cfg: cfg, address: address, at: address}
	if s := cfg.Sentinel; s != nil {
		c.at = fmt.Sprintf("master %s of Sentinel %s", s.Master, strings.Join(s.Addresses, ", "))
	}
	return c
}

// client makes a client. It connects when it is first used.
func (c *connector) client() *redis.Client {
	if s := c.cfg.Sentinel; s != nil {
		return redis.NewFailoverClient(&redis.FailoverOptions{
			MasterName: s.Master, SentinelAddrs: s.Addresses, CredentialsProviderContext: c.credentials, Dialer: c.dial,
			Protocol: 2, DisableIdentity: true, MaxRetries: -1, DialerRetries: 1, DialTimeout: dialTimeout,
			ReadTimeout: ioTimeout, WriteTimeout: ioTimeout, PoolSize: poolSize, PipelinePoolSize: -1,
		})
	}
	network, at := endpoint(c.address)
	return redis.NewClient(&redis.Options{
		Network: network, Addr: at, ClientName: c.name, CredentialsProviderContext: c.credentials, Dialer: c.dial,
		Protocol: 2, DisableIdentity: true, MaxRetries: -1, DialerRetries: 1, DialTimeout: dialTimeout,
		ReadTimeout: ioTimeout, WriteTimeout: ioTimeout, PoolSize: poolSize, PipelinePoolSize: -1,
	})
}

// dial connects, over TCP with the TLS certificates of this moment.
func (c *connector) dial(ctx context.Context, network, address string) (net.Conn, error) {
	plain := &net.Dialer{Timeout: dialTimeout}
	if c.cfg.TLS == nil {
		return plain.DialContext(ctx, network, address)
	}
	return (&tls.Dialer{NetDialer: plain, Config: c.cfg.TLS()}).DialContext(ctx, network, address)
}

// credentials are read at each connect, so that a changed password needs no restart.
func (c *connector) credentials(context.Context) (user, password string, err error) {
	password, err = passwordfile.Read(c.cfg.PasswordFile)
	return c.cfg.Username, password, err
}

// closeAtEnd closes a client when ctx ends, since go-redis doesn't look at a context while it waits for the server. The
// function that it returns closes it too, and waits until it is done.
func closeAtEnd(ctx context.Context, client *redis.Client) (done func()) {
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = client.Close()
		close(closed)
	})
	return func() {
		if stop() {
			_ = client.Close()
		} else {
			<-closed
		}
	}
}

// once lets a client have one connection in its life.
type once struct{ dialed atomic.Bool }

var _ redis.Hook = (*once)(nil)

func (o *once) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if o.dialed.Swap(true) {
			return nil, ErrConnectionLost
		}
		return next(ctx, network, address)
	}
}

func (o *once) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (o *once) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// isReply tells whether an error is what the server said, and not what became of the connection.
func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply) && !errors.Is(err, redis.Nil)
}

// isLoss tells whether an error is the end of a connection, and says nothing of the server.
func isLoss(err error) bool {
	var timeout net.Error
	return !isReply(err) && !errors.Is(err, ErrViewGone) && !(errors.As(err, &timeout) && timeout.Timeout())
}
