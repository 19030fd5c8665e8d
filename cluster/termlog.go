package cluster

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/fsm/fsmpb"
)

// termLog commits a leader's own entries in the term in which it decided them, or not at all.
type termLog struct {
	term  uint64
	raft  *raft.Raft
	stamp func(c *fsmpb.Command, now time.Time)
	note  func(err error)              // what became of each entry
	known func(c *fsmpb.Command) error // why not all nodes understand a command; nil: they do
	log   *slog.Logger
}

// propose commits commands.
func (l *termLog) propose(commands ...*fsmpb.Command) error {
	now := time.Now()
	for _, c := range commands {
		if err := l.known(c); err != nil {
			return err
		}
		l.stamp(c, now)
	}
	data, err := proto.Marshal(&fsmpb.Entry{Commands: commands})
	if err != nil {
		return fmt.Errorf("encoding a decision: %w", err)
	}
	o, _, err := l.apply(data)
	for i, res := range o.results {
		if res.GetCode() > fsmpb.Result_DUPLICATE {
			l.log.Debug("a decision was overtaken", "command", commands[i], "result", res)
		}
	}
	return err
}

// barrier commits an entry that says nothing. Once it's applied, so is everything before it.
func (l *termLog) barrier() (index uint64, err error) {
	_, index, err = l.apply(nil)
	return index, err
}

func (l *termLog) apply(entry []byte) (outcome, uint64, error) {
	future := l.raft.ApplyLog(raft.Log{Data: entry, Extensions: fence(l.term)}, enqueueTimeout)
	err := future.Error()
	l.note(err)
	if err != nil {
		return outcome{}, 0, fmt.Errorf("committing a decision: %w", err)
	}
	o, _ := future.Response().(outcome)
	return o, future.Index(), o.err
}
