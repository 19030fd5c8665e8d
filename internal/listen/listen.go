// Package listen is for addresses that may not be there yet: a cable that is out when the node starts, a network that
// isn't up, another process that still has the port. None of that is a reason for a node to end.
package listen

import (
	"context"
	"log/slog"
	"time"
)

// again is how long is waited between two tries.
const again = time.Second

// Retry calls open, which is to listen at an address, until that succeeds or ctx ends. What fails is logged once for
// each new reason, however often it is tried, and so is that it has succeeded then. The error is ctx's.
func Retry(ctx context.Context, log *slog.Logger, what, address string, open func() error) error {
	var begun time.Time
	said := ""
	for {
		err := open()
		switch {
		case err == nil && said != "":
			log.Info("listening at last", "what", what, "address", address, "after", time.Since(begun).Round(time.Millisecond))
			return nil
		case err == nil:
			return nil
		case said == "":
			begun = time.Now()
		}
		if reason := err.Error(); reason != said {
			said = reason
			log.Error("can't listen, trying again", "what", what, "address", address, "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(again):
		}
	}
}
