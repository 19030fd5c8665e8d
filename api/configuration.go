package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// Configurator puts another configuration in force while the station runs. What it's given is a bundle: station.yaml and
// its tables, packed. Its errors are for people; an *Error has a code too.
type Configurator interface {
	// Running tells what this node runs.
	Running() ConfigStatus
	// Apply has all nodes check the bundle and put it in force, together or not at all. A dry run ends after the check.
	Apply(ctx context.Context, bundle []byte, dryRun bool) (ConfigReply, error)
	// Stage has this node check a bundle for another node's Apply, and keep it as what this stage of the configuration
	// would put in force. Stage 0 is a check alone. It waits until the entry at index is applied here.
	Stage(ctx context.Context, bundle []byte, stage, index uint64) error
}

// ConfigStatus is what a node runs.
type ConfigStatus struct {
	Node    string `json:"node"`
	Digest  string `json:"digest"`   // of its configuration
	InForce string `json:"in_force"` // digest of the group's, as far as this node knows
}

// ConfigReply is what an Apply has done, or a dry run would do.
type ConfigReply struct {
	Digest  string         `json:"digest"`  // of the new configuration
	Applied bool           `json:"applied"` // it's in force; else it was a dry run, or there's nothing to change
	Changes []ConfigChange `json:"changes"`
	Behind  []string       `json:"behind"` // nodes that have it, and didn't run it yet when this was answered
}

// ConfigChange is what changes in one part of the station.
type ConfigChange struct {
	What   string   `json:"what"` // such as RTU 7 or uplink occ
	How    string   `json:"how"`  // added, removed or changed
	Detail string   `json:"detail"`
	Drops  []string `json:"drops"` // links and clients that lose their connections for it
}

const (
	maxBundle     = 64 << 20 // octets, packed
	configTimeout = 2 * time.Minute
)

var configurers = access{body: maxBundle}

func (s *Server) runningConfig(w http.ResponseWriter, _ *http.Request) error {
	if s.cfg.Configurator == nil {
		return notFound("this node can't be asked for its configuration")
	}
	return reply(w, s.cfg.Configurator.Running())
}

func (s *Server) applyConfig(w http.ResponseWriter, r *http.Request) error {
	bundle, err := s.readBundle(w, r)
	if err != nil {
		return err
	}
	dryRun, err := queryNumber(r, "dry_run", 0, 1)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), configTimeout)
	defer cancel()
	answer, err := s.cfg.Configurator.Apply(ctx, bundle, dryRun == 1)
	if err != nil {
		return err
	}
	return reply(w, answer)
}

func (s *Server) stageConfig(w http.ResponseWriter, r *http.Request) error {
	bundle, err := s.readBundle(w, r)
	if err != nil {
		return err
	}
	stage, err := queryNumber(r, "stage", 0, 0)
	if err != nil {
		return err
	}
	index, err := queryNumber(r, "index", 0, 0)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), configTimeout)
	defer cancel()
	if err := s.cfg.Configurator.Stage(ctx, bundle, stage, index); err != nil {
		return err
	}
	return reply(w, Done{Done: true})
}

func (s *Server) readBundle(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if s.cfg.Configurator == nil {
		return nil, notFound("this node's configuration can't be changed")
	}
	if err := takesLong(w, configTimeout+proposeTimeout); err != nil {
		return nil, err
	}
	bundle, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, bodyError(err)
	}
	if len(bundle) == 0 {
		return nil, invalid("body: expected a configuration, packed")
	}
	return bundle, nil
}

// Invalid makes an error one about what was asked for.
func Invalid(err error) error {
	return &Error{http.StatusBadRequest, CodeInvalid, err.Error()}
}

// Conflict makes an error one about how the station is just now.
func Conflict(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Code == CodeNoLeader {
		return err
	}
	return &Error{http.StatusConflict, CodeConflict, err.Error()}
}
