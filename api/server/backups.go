package server

import (
	"net/http"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/internal/rest"
)

// Backups are those that a FEP keeps in a folder of its own. Their errors are for people.
type Backups interface {
	List() ([]api.Backup, error) // the oldest first
	Make(now time.Time) (api.Backup, error)
}

func (s *Server) listBackups(w http.ResponseWriter, _ *http.Request) error {
	if s.cfg.Backups == nil {
		return rest.NotFound("this node keeps no backups: a FEP does")
	}
	list, err := s.cfg.Backups.List()
	if err != nil {
		return rest.NotFound("%v", err)
	}
	return s.json.Reply(w, append([]api.Backup{}, list...))
}

func (s *Server) makeBackup(w http.ResponseWriter, r *http.Request) error {
	var req struct{}
	if err := rest.Decode(r, &req); err != nil {
		return err
	}
	if s.cfg.Backups == nil {
		return rest.NotFound("this node keeps no backups: a FEP does")
	}
	if err := rest.TakesLong(w, api.SnapshotTimeout); err != nil {
		return err
	}
	b, err := s.cfg.Backups.Make(time.Now())
	if err != nil {
		return rest.Conflict("%v", err)
	}
	return s.json.Reply(w, b)
}
