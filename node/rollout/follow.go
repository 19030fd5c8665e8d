package rollout

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/replica"
)

// bringAgain is how long a leader waits before it tries again to bring its files.
const bringAgain = 5 * time.Second

// Run takes up what is in force, whenever it's another one, until ctx ends. While the node leads it also gives the group the
// files of what is in force, should the state not have them.
func (c *Configurator) Run(ctx context.Context) error {
	var seen uint64
	var tried time.Time
	for range replica.Follow(ctx, c.Replica, replica.Pace{Most: bringAgain}) {
		var revision uint64
		c.Replica.View(func(s *fsm.State) { revision = s.Revisions().Config })
		c.mu.Lock()
		if revision != seen || !c.current {
			seen = revision
			c.follow()
		}
		c.mu.Unlock()
		if c.missing() && time.Since(tried) >= bringAgain {
			tried = time.Now()
			if err := c.bring(ctx); err != nil && ctx.Err() == nil {
				c.Log.Warn("the group hasn't got the files of its configuration yet: a node whose files are others would have to wait", "error", err)
			}
		}
	}
	return nil
}

// missing tells whether it's on this node to give the group the files in force.
func (c *Configurator) missing() (missing bool) {
	if !c.Replica.IsLeader() {
		return false
	}
	running := c.Runner.Running().Digest
	c.Replica.View(func(s *fsm.State) {
		_, known := s.FilesInForce()
		missing = !known && s.Level() > 0 && s.Config().GetDigest() == running
	})
	return missing
}

// bring gives the group this node's own files, if they are still those that it runs.
func (c *Configurator) bring(ctx context.Context) error {
	bundle, station, err := configs.ReadBundle(c.File)
	if err != nil {
		return err
	}
	if digest, running := station.Digest(), c.Runner.Running().Digest; digest != running {
		return fmt.Errorf("%s was changed since the node has read it: it's %.12s now, and %.12s is in force", c.File, digest, running)
	}
	octets, err := bundle.Encode()
	if err != nil {
		return err
	}
	return c.putInForce(ctx, Declaration(station), octets)
}

// follow runs what is in force, if the state has its files and the node runs another one. c.mu is held.
func (c *Configurator) follow() {
	// A node that starts goes through its log, with all that was in force.
	if c.current = c.current || c.Replica.CaughtUp(); !c.current {
		return
	}
	var next *fsm.ConfigVersion
	var known, knew bool
	running := c.Runner.Running()
	c.Replica.View(func(s *fsm.State) {
		next, known = s.FilesInForce()
		for _, v := range s.Versions() {
			knew = knew || v.Digest == running.Digest
		}
	})
	about := "node/" + c.Replica.ID()
	switch {
	case !known || next.Digest == c.refused:
		return
	case next.Digest == running.Digest:
		c.settled, c.refused = true, ""
		c.Reporter.Clear(condition.ConfigurationRefused, about)
		return
	}
	byHand := !c.settled && !knew // neither an outdated one nor what it ran until now
	if err := c.take(next, byHand); err != nil {
		c.refused = next.Digest
		c.Log.Error("the configuration in force can't be taken on", "version", next.Number, "digest", next.Digest, "error", err)
		c.Reporter.Set(condition.Report{Kind: condition.ConfigurationRefused, Resource: about, Values: condition.Values(next.Number, err)})
		return
	}
	c.settled, c.refused = true, ""
	c.Reporter.Clear(condition.ConfigurationRefused, about)
	c.Log.Info("another configuration is in force", "version", next.Number, "digest", next.Digest)
}

// take runs a version, and writes it over the files that --config names. On an error the node goes on with what it runs. c.mu is
// held.
func (c *Configurator) take(next *fsm.ConfigVersion, byHand bool) error {
	_, station, err := loadBundle(next.Files, c.File)
	if err != nil {
		return err
	}
	running := c.Runner.Running()
	if keys := configs.Fixed(running.Station, station); len(keys) > 0 {
		// Such keys are changed in the files of all nodes, one after the other: once most have them they are put in force.
		c.Replica.Keeps(next.Digest, len(c.changes(station)) == 0)
		return fmt.Errorf("%s differ, which a running node can't change", strings.Join(keys, ", "))
	}
	if err := c.Runner.Check(station); err != nil {
		return err
	}
	if byHand {
		c.tellReplaced(next)
	}
	committed := &Committed{Digest: next.Digest, Bundle: next.Files}
	if err := committed.keep(c.DataDir); err != nil {
		return err
	}
	if _, err := Complete(c.DataDir, c.File); err != nil {
		// The files are written at the next start, from the data folder: what runs is no worse for it.
		c.Log.Error("files of the configuration are not written yet", "error", err)
	}
	err = c.Runner.Run(station)
	c.Replica.Runs(Declaration(station))
	return err
}

// tellReplaced keeps files that were changed by hand, and says so.
func (c *Configurator) tellReplaced(next *fsm.ConfigVersion) {
	where, err := keepReplaced(c.DataDir, c.File)
	if err != nil {
		c.Log.Error("files that were changed by hand are replaced, and can't be kept", "error", err)
		where = "lost: " + err.Error()
	}
	c.Log.Warn("files that were changed by hand are replaced by the group's", "version", next.Number, "kept", where)
	c.Reporter.Set(condition.Report{
		Kind: condition.ConfigurationReplaced, Resource: "node/" + c.Replica.ID(), Values: condition.Values(next.Number, where),
	})
}
