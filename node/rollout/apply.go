package rollout

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/internal/certs"
	"github.com/fepha/fepha/replica"
)

const (
	dialTimeout   = 3 * time.Second
	checkTimeout  = time.Minute      // for a node to check a configuration, a million points in it
	followTimeout = 15 * time.Second // for the nodes to run what is in force, before Apply answers
)

// maxWarnings bounds what an answer has of them.
const maxWarnings = 100

// Apply puts a configuration in force, by one entry of the log: each node runs it once it has that entry, one that is away as soon
// as it's back. Before, each node that is there checks it; what only a node that is away could check is refused.
func (c *Configurator) Apply(ctx context.Context, bundle []byte, dryRun bool, origin string) (reply api.ConfigReply, err error) {
	files, next, err := loadBundle(bundle, c.File)
	if err != nil {
		return reply, c.invalid(err)
	}
	reply = api.ConfigReply{
		Digest: next.Digest(), Changes: c.changes(next), Behind: []string{}, Away: []string{},
		Warnings: []string{}, WarningsAt: []api.Problem{}, WarningsTotal: next.Warnings.Total,
	}
	for _, w := range next.Warnings.List[:min(len(next.Warnings.List), maxWarnings)] {
		reply.Warnings = append(reply.Warnings, w.Error())
		reply.WarningsAt = append(reply.WarningsAt, c.problem(w))
	}
	var level uint32
	c.Replica.View(func(s *fsm.State) { level = s.Level() })
	if level == 0 {
		return reply, api.Conflict(replica.ErrNotYet)
	}
	if reply.Away, err = c.checkAll(ctx, bundle, next); err != nil || dryRun || reply.Digest == c.inForce() {
		return reply, err
	}
	octets, err := files.Encode()
	if err != nil {
		return reply, err
	}
	declared := Declaration(next)
	declared.Origin, declared.Changes = origin, inWords(reply.Changes)
	if err := c.putInForce(ctx, declared, octets); err != nil {
		return reply, err
	}
	reply.Applied = true
	ctx, cancel := context.WithTimeout(ctx, followTimeout)
	defer cancel()
	reply.Behind = c.followers(ctx, reply.Digest, reply.Away)
	return reply, nil
}

// checkAll makes each node check a bundle, and returns those that don't answer. The error names all that couldn't take it on, and
// says why.
func (c *Configurator) checkAll(ctx context.Context, bundle []byte, next *configs.Station) (away []string, err error) {
	running := c.Runner.Running().Station
	index, _ := c.Replica.Applied()
	errs := make([]error, len(running.Cluster.Nodes))
	var wg sync.WaitGroup
	for i, n := range running.Cluster.Nodes {
		wg.Go(func() { errs[i] = c.checkOn(ctx, n, bundle, index) })
	}
	wg.Wait()
	var said []string
	nodesThat := map[string][]string{} // say it: most often all say the same of the same files
	invalid := false
	away = []string{}
	for i, err := range errs {
		id := running.Cluster.Nodes[i].ID
		if errors.Is(err, client.ErrUnreachable) {
			away = append(away, id)
			err = mustAgree(running, next, id)
		}
		if err == nil {
			continue
		}
		if e, ok := errors.AsType[*api.Error](err); ok && said == nil {
			invalid = e.Code == api.CodeInvalid
		}
		what := err.Error()
		if nodesThat[what] == nil {
			said = append(said, what)
		}
		nodesThat[what] = append(nodesThat[what], id)
	}
	if said == nil {
		return away, nil
	}
	for i, what := range said {
		said[i] = strings.Join(nodesThat[what], ", ") + ": " + what
	}
	err = fmt.Errorf("nothing was changed:\n%s", strings.Join(said, "\n"))
	if invalid {
		return away, api.Invalid(err)
	}
	return away, api.Conflict(err)
}

func (c *Configurator) checkOn(ctx context.Context, n configs.Node, bundle []byte, index uint64) error {
	if n.ID == c.Replica.ID() {
		return c.Check(ctx, bundle, index)
	}
	other, err := c.client(n)
	if err != nil {
		return err
	}
	defer other.HTTP.CloseIdleConnections()
	return other.CheckConfig(ctx, bundle, index)
}

// mustAgree says what of a configuration only the node itself could try, which is away.
func mustAgree(from, to *configs.Station, node string) error {
	var said []string
	for _, l := range newAddresses(from, to, node) {
		said = append(said, fmt.Sprintf("uplink %s would listen there on %s", l.uplink, l.address))
	}
	if said == nil {
		return nil
	}
	return fmt.Errorf("it is away, and has to try its new addresses: %s. Bring it back, or change all else first", strings.Join(said, ", "))
}

// followers waits until all nodes run a configuration, but those that are away, and returns who doesn't when ctx ends.
func (c *Configurator) followers(ctx context.Context, digest string, away []string) []string {
	behind := slices.Clone(away)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, n := range c.Runner.Running().Station.Cluster.Nodes {
		if slices.Contains(away, n.ID) {
			continue
		}
		wg.Go(func() {
			if c.follows(ctx, n, digest) != nil {
				mu.Lock()
				defer mu.Unlock()
				behind = append(behind, n.ID)
			}
		})
	}
	wg.Wait()
	slices.Sort(behind)
	return behind
}

func (c *Configurator) follows(ctx context.Context, n configs.Node, digest string) error {
	running := func(context.Context) (string, error) { return c.Runner.Running().Digest, nil }
	if n.ID != c.Replica.ID() {
		other, err := c.client(n)
		if err != nil {
			return err
		}
		defer other.HTTP.CloseIdleConnections()
		running = func(ctx context.Context) (string, error) {
			s, err := other.Config(ctx)
			return s.Digest, err
		}
	}
	for {
		if got, err := running(ctx); err == nil && got == digest {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// client talks to the API of another node, as this one.
func (c *Configurator) client(n configs.Node) (*client.Client, error) {
	security := c.Runner.Running().Station.Security
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout: dialTimeout, ResponseHeaderTimeout: checkTimeout,
	}
	other := &client.Client{Base: "http://" + n.APIAddress(), HTTP: &http.Client{Transport: transport}}
	if security.Insecure {
		return other, nil
	}
	own, err := certs.Files{CA: security.CA.Path, Cert: security.Cert.Path, Key: security.Key.Path}.Read()
	if err != nil {
		return nil, err
	}
	other.Base = "https://" + n.APIAddress()
	transport.TLSClientConfig = own.Client(&tls.Config{MinVersion: tls.VersionTLS12, ServerName: n.ID})
	return other, nil
}
