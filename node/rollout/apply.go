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
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/internal/certs"
	"github.com/fepha/fepha/replica"
)

const (
	dialTimeout   = 3 * time.Second
	stageTimeout  = time.Minute      // for a node to check and keep a configuration, a million points in it
	followTimeout = 15 * time.Second // for the nodes to run what they have, before Apply answers
)

// Apply puts a configuration in force on all nodes or on none. Each node checks
// and keeps it; only when all have said so is it committed, by one entry of the
// log. From then on a node that was down for the rest runs it when it's back.
func (c *Configurator) Apply(ctx context.Context, bundle []byte, dryRun bool) (reply api.ConfigReply, err error) {
	_, next, err := loadBundle(bundle, c.file)
	if err != nil {
		return reply, api.Invalid(err)
	}
	reply = api.ConfigReply{Digest: next.Digest(), Changes: c.changes(next), Behind: []string{}}
	var stage, index uint64
	if !dryRun && reply.Digest != c.runner.Running().Digest {
		if stage, index, err = c.begin(ctx); err != nil {
			return reply, err
		}
	}
	if err := c.stageAll(ctx, bundle, stage, index); err != nil || stage == 0 {
		return reply, err
	}
	declared := Declaration(next)
	declared.Stage = stage
	r, err := c.replica.Propose(ctx, &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: declared}})
	switch {
	case errors.Is(err, replica.ErrNoLeader), errors.Is(err, replica.ErrUnknownOutcome):
		return reply, fmt.Errorf("it's not known whether the configuration is in force: see `fepha status`, and apply it again: %w", err)
	case err != nil:
		return reply, err
	case r.Code > fsmpb.Result_DUPLICATE:
		return reply, api.Conflict(fmt.Errorf("nothing was changed: %s", r.Message))
	}
	reply.Applied = true
	ctx, cancel := context.WithTimeout(ctx, followTimeout)
	defer cancel()
	reply.Behind = c.followers(ctx, reply.Digest)
	return reply, nil
}

// stageAll makes each node check and keep a bundle. The error names all that
// don't, and says why.
func (c *Configurator) stageAll(ctx context.Context, bundle []byte, stage, index uint64) error {
	nodes := c.runner.Running().Station.Cluster.Nodes
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Go(func() {
			if n.ID == c.replica.ID() {
				errs[i] = c.Stage(ctx, bundle, stage, index)
				return
			}
			other, err := c.client(n)
			if err == nil {
				defer other.HTTP.CloseIdleConnections()
				err = other.StageConfig(ctx, bundle, stage, index)
			}
			errs[i] = err
		})
	}
	wg.Wait()
	var said []string
	nodesThat := map[string][]string{} // say it: most often all say the same of the same files
	var first *api.Error
	for i, err := range errs {
		if err == nil {
			continue
		}
		if e, ok := errors.AsType[*api.Error](err); ok && first == nil {
			first = e
		}
		what := err.Error()
		if nodesThat[what] == nil {
			said = append(said, what)
		}
		nodesThat[what] = append(nodesThat[what], nodes[i].ID)
	}
	for i, what := range said {
		said[i] = strings.Join(nodesThat[what], ", ") + ": " + what
	}
	if said == nil {
		return nil
	}
	err := fmt.Errorf("nothing was changed, since all nodes have to take it on together:\n%s", strings.Join(said, "\n"))
	if first != nil && first.Code == api.CodeInvalid {
		return api.Invalid(err)
	}
	return api.Conflict(err)
}

// followers waits until all nodes run a configuration, and returns those that
// don't when ctx ends.
func (c *Configurator) followers(ctx context.Context, digest string) []string {
	behind := []string{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, n := range c.runner.Running().Station.Cluster.Nodes {
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
	if n.ID == c.replica.ID() {
		return c.waitInForce(ctx, digest)
	}
	other, err := c.client(n)
	if err != nil {
		return err
	}
	defer other.HTTP.CloseIdleConnections()
	for {
		if s, err := other.Config(ctx); err == nil && s.Digest == digest {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// client talks to the API of another node, as this one.
func (c *Configurator) client(n configs.Node) (*client.Client, error) {
	security := c.runner.Running().Station.Security
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout: dialTimeout, ResponseHeaderTimeout: stageTimeout,
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
