package clustertest

import (
	"log/slog"

	"github.com/fepha/fepha/internal/lockedbuffer"
)

// Log is a log that a test reads.
type Log struct{ lockedbuffer.Buffer }

// Logger writes messages without their time.
func (l *Log) Logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}
