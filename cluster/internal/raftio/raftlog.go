package raftio

import (
	"context"
	"log/slog"
	"slices"

	"github.com/hashicorp/go-hclog"
)

// raftLog is the log that Raft and its stores write to. Raft writes a line for every attempt to reach a peer and for every
// round of an election, at levels warning and error. The operator needs only the changes, and gets them from contacts
// and from the leader's log. So Raft's lines go to the debug level, except errors about this node itself, such as
// its disk's, which go to a level of their own.
type raftLog struct {
	hclog.Logger // its methods that aren't below are never called
	to           *slog.Logger
	name         string
	errors       slog.Level
	implied      []any
}

// NewRaftLog names the part that writes, and the level of errors about this node itself.
func NewRaftLog(to *slog.Logger, name string, errors slog.Level) hclog.Logger {
	return &raftLog{Logger: hclog.NewNullLogger(), to: to, name: name, errors: errors}
}

// Log takes one line.
func (l *raftLog) Log(level hclog.Level, msg string, args ...any) {
	at := slog.LevelDebug
	if level >= hclog.Error && !namesPeer(args) {
		at = l.errors
	}
	ctx := context.Background()
	if l.to.Enabled(ctx, at) {
		l.to.Log(ctx, at, l.name+": "+msg, append(slices.Clip(l.implied), args...)...)
	}
}

// namesPeer tells whether a line is about another node.
func namesPeer(args []any) bool {
	for i := 0; i < len(args); i += 2 {
		if args[i] == "peer" || args[i] == "target" {
			return true
		}
	}
	return false
}

func (l *raftLog) Trace(string, ...any)           {}
func (l *raftLog) Debug(msg string, args ...any)  { l.Log(hclog.Debug, msg, args...) }
func (l *raftLog) Info(msg string, args ...any)   { l.Log(hclog.Info, msg, args...) }
func (l *raftLog) Warn(msg string, args ...any)   { l.Log(hclog.Warn, msg, args...) }
func (l *raftLog) Error(msg string, args ...any)  { l.Log(hclog.Error, msg, args...) }
func (l *raftLog) Named(string) hclog.Logger      { return l }
func (l *raftLog) ResetNamed(string) hclog.Logger { return l }

// With adds to each line.
func (l *raftLog) With(args ...any) hclog.Logger {
	w := *l
	w.implied = append(slices.Clip(l.implied), args...)
	return &w
}
