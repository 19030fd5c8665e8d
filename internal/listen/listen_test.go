package listen

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		absent, taken := errors.New("no such address"), errors.New("port in use")
		tries := []error{absent, absent, absent, taken, taken, nil}
		begun := time.Now()
		err := Retry(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), "api", "10.0.0.1:7310", func() error {
			err := tries[0]
			tries = tries[1:]
			return err
		})
		if err != nil || len(tries) != 0 || time.Since(begun) != 5*time.Second {
			t.Errorf("%v after %v, %d tries left", err, time.Since(begun), len(tries))
		}
		for text, want := range map[string]int{"no such address": 1, "port in use": 1, "can't listen": 2, "listening at last": 1, "after=5s": 1} {
			if n := strings.Count(log.String(), text); n != want {
				t.Errorf("%q is said %d times, want %d:\n%s", text, n, want, &log)
			}
		}
	})
}

func TestRetryEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		tries := 0
		err := Retry(ctx, slog.New(slog.DiscardHandler), "api", "10.0.0.1:7310", func() error {
			tries++
			return errors.New("no such address")
		})
		if !errors.Is(err, context.DeadlineExceeded) || tries != 3 {
			t.Errorf("%v after %d tries", err, tries)
		}
	})
}

// Nothing is said of what works at once.
func TestRetryAtOnce(t *testing.T) {
	var log bytes.Buffer
	if err := Retry(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), "api", "", func() error { return nil }); err != nil || log.Len() > 0 {
		t.Errorf("%v: %s", err, &log)
	}
}
