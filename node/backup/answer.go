package backup

import (
	"time"

	"github.com/fepha/fepha/api"
)

// List is Copies as the API tells them.
func (k *Keeper) List() ([]api.Backup, error) {
	copies, err := k.Copies()
	var list []api.Backup
	for _, c := range copies {
		list = append(list, answer(c))
	}
	return list, err
}

// Make is Now as the API tells it.
func (k *Keeper) Make(now time.Time) (api.Backup, error) {
	c, err := k.Now(now)
	return answer(c), err
}

func answer(c Copy) api.Backup {
	return api.Backup{Path: c.Path, AtMs: c.At.UnixMilli(), Octets: c.Octets}
}
