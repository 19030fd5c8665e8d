package backup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/configs"
)

// lookPeriod is how often a Keeper looks whether it's time; after a failure too.
const lookPeriod = time.Minute

// ErrOff: the configuration in force has no backup.
var ErrOff = errors.New("this station makes no backups: add backup: {dir: ...} to station.yaml")

// Keeper makes the copies of a node when it's time, and tells when it can't.
type Keeper struct {
	Source   func() (Source, error) // as it is now
	Config   func() *configs.Station
	Node     string
	Reporter condition.Reporter
	Log      *slog.Logger

	free func(dir string) (uint64, error) // of tests

	one   sync.Mutex // one copy at a time
	began time.Time  // since when there has been something to keep
}

// Run makes copies until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	if b := k.Config().Backup; b != nil {
		k.sweep(Dir(b, k.Node))
	}
	tick := time.NewTicker(lookPeriod)
	defer tick.Stop()
	for {
		k.round(time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// sweep removes what a crash has left of this node's; others may be writing to the same folder.
func (k *Keeper) sweep(dir string) {
	left, _ := filepath.Glob(filepath.Join(dir, fmt.Sprintf(".fepha-%d-%s-*.tmp", k.Config().ID, k.Node)))
	for _, path := range left {
		if err := os.Remove(path); err != nil {
			k.Log.Error("backup: what a crash has left", "file", path, "error", err)
		}
	}
}

// round makes a copy if the newest is too old.
func (k *Keeper) round(now time.Time) {
	s := k.Config()
	if s.Backup == nil {
		k.began = time.Time{}
		k.Reporter.Clear(condition.BackupFailed, k.about())
		k.Reporter.Clear(condition.BackupOld, k.about())
		return
	}
	if k.began.IsZero() {
		k.began = now
	}
	newest, err := k.newest(s)
	if err == nil && now.Sub(newest) < s.Backup.Every && !newest.After(now) {
		k.judge(now, newest, s.Backup.Every)
		return
	}
	if _, err := k.Now(now); err != nil {
		k.Log.Error("backup failed: tried again in a minute", "error", err)
	}
	newest, _ = k.newest(s)
	k.judge(now, newest, s.Backup.Every)
}

// newest is when the newest copy was made; zero: there's none.
func (k *Keeper) newest(s *configs.Station) (time.Time, error) {
	all, err := List(Dir(s.Backup, k.Node), s.ID, k.Node)
	if len(all) == 0 {
		return time.Time{}, err
	}
	return all[len(all)-1].At, err
}

func (k *Keeper) about() string { return "node/" + k.Node }

// judge tells when the newest copy is twice as old as it may be.
func (k *Keeper) judge(now, newest time.Time, every time.Duration) {
	since := newest
	if since.IsZero() {
		since = k.began
	}
	if now.Sub(since) < 2*every {
		k.Reporter.Clear(condition.BackupOld, k.about())
		return
	}
	k.Reporter.Set(condition.Report{Kind: condition.BackupOld, Resource: k.about(), Values: condition.Values(since.UTC().Format("2006-01-02 15:04 UTC"))})
}

// Now makes a copy, whether it's time or not.
func (k *Keeper) Now(now time.Time) (Copy, error) {
	k.one.Lock()
	defer k.one.Unlock()
	s, err := k.Source()
	if err == nil && s.Station.Backup == nil {
		return Copy{}, ErrOff
	}
	var c Copy
	if err == nil {
		c, err = Write(s, now, k.free)
	}
	if err != nil {
		k.Reporter.Set(condition.Report{Kind: condition.BackupFailed, Resource: k.about(), Values: condition.Values(err.Error())})
		return c, err
	}
	k.Reporter.Clear(condition.BackupFailed, k.about())
	k.Log.Info("backup", "file", c.Path, "octets", c.Octets)
	return c, nil
}

// Copies are those of this node.
func (k *Keeper) Copies() ([]Copy, error) {
	s := k.Config()
	if s.Backup == nil {
		return nil, ErrOff
	}
	return List(Dir(s.Backup, k.Node), s.ID, k.Node)
}
