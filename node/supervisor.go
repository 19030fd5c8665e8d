package node

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/fepha/fepha/cluster"
	"github.com/fepha/fepha/fsm"
)

// supervisor is systemd, if it has started this node: it is told when the node
// is ready, and that it goes on. When it isn't told so for WatchdogSec it ends
// the node by SIGABRT, which logs what each goroutine does, and starts it anew.
// It is there for what the node can't see or end by itself: a process that
// hangs as a whole.
type supervisor struct {
	log   *slog.Logger
	every time.Duration // between two signs of life; 0: nobody waits for them
}

func newSupervisor(log *slog.Logger) *supervisor {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Error("systemd's watchdog can't be fed", "error", err)
	}
	return &supervisor{log: log, every: limit / 4}
}

// tell is an error nobody can do anything about, so it's only logged.
func (s *supervisor) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.log.Warn("systemd can't be told", "state", state, "error", err)
	}
}

func (s *supervisor) ready()    { s.tell(daemon.SdNotifyReady) }
func (s *supervisor) stopping() { s.tell(daemon.SdNotifyStopping) }

// feed gives a sign of life for as long as progress finds no reason not to, until
// ctx ends. While progress hangs there is none either.
func (s *supervisor) feed(ctx context.Context, progress func() (status string, err error)) error {
	if s.every == 0 {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for starving := false; ; {
		status, err := progress()
		switch {
		case err == nil:
			s.tell(daemon.SdNotifyWatchdog + "\nSTATUS=" + status)
		case !starving:
			s.log.Warn("no sign of life for systemd until this is over", "error", err)
			s.tell("STATUS=" + err.Error())
		}
		starving = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// progress finds out whether a node's main loop, its state and its disk go on.
func progress(node *cluster.Node) (status string, err error) {
	if err := node.Progress(); err != nil {
		return "", err
	}
	owned := 0
	node.View(func(s *fsm.State) {
		for _, r := range s.Resources() {
			if r.Owner == node.ID() {
				owned++
			}
		}
	})
	info := node.Info()
	leader := info.Leader
	if leader == "" {
		leader = "nobody"
	}
	return fmt.Sprintf("%s, led by %s; quorum %t, lease %t; owns %d", info.State, leader, info.Quorum, info.Lease, owned), nil
}
