package cluster

import (
	"context"
	"log/slog"
	"slices"

	"github.com/hashicorp/go-hclog"
)

// raftLog is the log that Raft and its stores write to. Raft tells of every attempt to reach a peer and of every round of an
// election, at warning and error; to who runs a station that's noise, and contacts and observe tell of the changes. So
// it goes to the debug level, but for errors about this node itself, such as its disk's, that go to a level of their own.
type raftLog struct {
	hclog.Logger // of what's below is called by no one
	to           *slog.Logger
	name         string
	errors       slog.Level
	implied      []any
}

func newRaftLog(to *slog.Logger, name string, errors slog.Level) hclog.Logger {
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
