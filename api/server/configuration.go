package server

import (
	"context"
	"io"
	"net/http"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/internal/rest"
)

// Configurator puts another configuration in force while the station runs. What it's given is a bundle: station.yaml and
// its tables, packed. Its errors are for people; an *api.Error has a code too.
type Configurator interface {
	// Running tells what this node runs.
	Running() api.ConfigStatus
	// Apply makes all nodes check the bundle and put it in force, together or not at all. A dry run ends after the check.
	Apply(ctx context.Context, bundle []byte, dryRun bool) (api.ConfigReply, error)
	// Stage makes this node check a bundle for another node's Apply, and keep it as what this stage of the configuration
	// would put in force. Stage 0 is a check alone. It waits until the entry at index is applied here.
	Stage(ctx context.Context, bundle []byte, stage, index uint64) error
}

const (
	maxBundle = 64 << 20 // octets, packed
)

func (s *Server) runningConfig(w http.ResponseWriter, _ *http.Request) error {
	if s.cfg.Configurator == nil {
		return rest.NotFound("this node can't be asked for its configuration")
	}
	return s.json.Reply(w, s.cfg.Configurator.Running())
}

func (s *Server) applyConfig(w http.ResponseWriter, r *http.Request) error {
	end, err := one(s.applying)
	if err != nil {
		return err
	}
	defer end()
	bundle, err := s.readBundle(w, r)
	if err != nil {
		return err
	}
	dryRun, err := rest.QueryNumber(r, "dry_run", 0, 1)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), api.ConfigTimeout)
	defer cancel()
	answer, err := s.cfg.Configurator.Apply(ctx, bundle, dryRun == 1)
	if err != nil {
		return err
	}
	return s.json.Reply(w, answer)
}

func (s *Server) stageConfig(w http.ResponseWriter, r *http.Request) error {
	end, err := one(s.staging)
	if err != nil {
		return err
	}
	defer end()
	bundle, err := s.readBundle(w, r)
	if err != nil {
		return err
	}
	stage, err := rest.QueryNumber(r, "stage", 0, 0)
	if err != nil {
		return err
	}
	index, err := rest.QueryNumber(r, "index", 0, 0)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), api.ConfigTimeout)
	defer cancel()
	if err := s.cfg.Configurator.Stage(ctx, bundle, stage, index); err != nil {
		return err
	}
	return s.json.Reply(w, api.Done{Done: true})
}

// one takes the only place, until end is called: a configuration of a large station takes hundreds of MB to check.
func one(place chan struct{}) (end func(), err error) {
	select {
	case place <- struct{}{}:
		return func() { <-place }, nil
	default:
		return nil, &api.Error{Status: http.StatusServiceUnavailable, Code: api.CodeOverloaded, Message: "another configuration is being checked on this node: try again later"}
	}
}

func (s *Server) readBundle(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if s.cfg.Configurator == nil {
		return nil, rest.NotFound("this node's configuration can't be changed")
	}
	if err := rest.TakesLong(w, api.ConfigTimeout+api.ProposeTimeout); err != nil {
		return nil, err
	}
	bundle, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, rest.BodyError(err)
	}
	if len(bundle) == 0 {
		return nil, rest.Invalid("body: expected a configuration, packed")
	}
	return bundle, nil
}
