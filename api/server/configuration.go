package server

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/access"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/api/server/words"
	"github.com/fepha/fepha/fsm"
)

// Configurator puts another configuration in force while the station runs. What it's given is a bundle: station.yaml and
// its tables, packed. Its errors are for people; an *api.Error has a code too.
type Configurator interface {
	// Running tells what this node runs.
	Running() api.ConfigStatus
	// Settings is the configuration that this node runs, every default written out: station.yaml as JSON, in its order.
	Settings() (json.RawMessage, error)
	// Apply makes all nodes that are there check the bundle, and puts it in force. A dry run ends after the check. Origin is who
	// asks for it.
	Apply(ctx context.Context, bundle []byte, dryRun bool, origin string) (api.ConfigReply, error)
	// Check makes this node check a bundle for another node's Apply, once it runs what was in force at the entry at index.
	Check(ctx context.Context, bundle []byte, index uint64) error
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

// configSettings tells what is set, whether station.yaml says it or it's a default.
func (s *Server) configSettings(w http.ResponseWriter, _ *http.Request) error {
	if s.cfg.Configurator == nil {
		return rest.NotFound("this node can't be asked for its configuration")
	}
	settings, err := s.cfg.Configurator.Settings()
	if err != nil {
		return err
	}
	return s.json.Reply(w, settings)
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
	answer, err := s.cfg.Configurator.Apply(ctx, bundle, dryRun == 1, access.OriginOf(r))
	if err != nil {
		return err
	}
	for i := range answer.Changes {
		c := &answer.Changes[i]
		c.TextZH, c.DropsZH = words.ConfigChange(c.Text()), words.ConfigChanges(c.Drops)
	}
	return s.json.Reply(w, answer)
}

func (s *Server) checkConfig(w http.ResponseWriter, r *http.Request) error {
	end, err := one(s.staging)
	if err != nil {
		return err
	}
	defer end()
	bundle, err := s.readBundle(w, r)
	if err != nil {
		return err
	}
	index, err := rest.QueryNumber(r, "index", 0, 0)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), api.ConfigTimeout)
	defer cancel()
	if err := s.cfg.Configurator.Check(ctx, bundle, index); err != nil {
		return err
	}
	return s.json.Reply(w, api.Done{Done: true})
}

// configHistory tells of the versions of the configuration, the newest first.
func (s *Server) configHistory(w http.ResponseWriter, _ *http.Request) error {
	list := []api.ConfigVersion{}
	s.cfg.Node.View(func(st *fsm.State) {
		inForce := st.Config().GetDigest()
		for i, v := range slices.Backward(st.Versions()) {
			list = append(list, api.ConfigVersion{
				Number: v.Number, Digest: v.Digest, AtMs: v.AtMs, Node: v.Node, By: v.Origin,
				Changes: append([]string{}, v.Changes...), ChangesZH: words.ConfigChanges(v.Changes), Kept: v.Files != nil,
				InForce: i == len(st.Versions())-1 && v.Digest == inForce,
			})
		}
	})
	return s.json.Reply(w, list)
}

// configFiles sends the files of a version, packed.
func (s *Server) configFiles(w http.ResponseWriter, r *http.Request) error {
	number, err := rest.QueryNumber(r, "version", 0, 0)
	if err != nil {
		return err
	}
	var files []byte
	s.cfg.Node.View(func(st *fsm.State) {
		if v, ok := st.FilesInForce(); number == 0 && ok {
			files = v.Files
		}
		for _, v := range st.Versions() {
			if v.Number == number {
				files = v.Files
			}
		}
	})
	switch {
	case files != nil:
	case number == 0:
		return rest.NotFound("the group doesn't have the files of its configuration: not all nodes understand that yet, or nobody has brought them")
	default:
		return rest.NotFound("the files of version %d aren't kept: see /v1/config/history", number)
	}
	w.Header().Set("Content-Type", "application/gzip")
	w.Header().Set("Content-Disposition", `attachment; filename="configuration.tar.gz"`)
	_, err = w.Write(files)
	return err
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
