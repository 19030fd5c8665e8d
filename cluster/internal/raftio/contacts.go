package raftio

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/fepha/fepha/replica"
)

// contacts writes to the log once when a peer to which Raft sends doesn't answer, and once when it answers again.
type contacts struct {
	clock    func() time.Duration
	patience time.Duration // a peer that's failed for less isn't worth a word
	log      *slog.Logger

	mu      sync.Mutex
	failing map[string]*failing
}

type failing struct {
	since time.Duration
	told  bool
}

func newContacts(clock func() time.Duration, patience time.Duration, log *slog.Logger) *contacts {
	return &contacts{clock: clock, patience: patience, log: log, failing: map[string]*failing{}}
}

// note takes what became of an exchange.
func (c *contacts) note(peer string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, f := c.clock(), c.failing[peer]
	switch {
	case err == nil && f == nil:
	case err == nil:
		if f.told {
			c.log.Info("node answers again", "peer", peer, "after", (now - f.since).Round(time.Millisecond))
		}
		delete(c.failing, peer)
	case f == nil:
		c.failing[peer] = &failing{since: now}
	case !f.told && now-f.since >= c.patience:
		f.told = true
		msg := "node refuses"
		if unanswered(err) {
			msg = "node doesn't answer"
		}
		c.log.Warn(msg, "peer", peer, "for", (now - f.since).Round(time.Millisecond), "error", err)
	}
}

// unanswered tells a failure of the network from a peer's own word.
func unanswered(err error) bool {
	var failure net.Error
	return errors.As(err, &failure) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, replica.ErrClosed)
}
