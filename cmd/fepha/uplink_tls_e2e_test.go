package main

import (
	"context"
	"crypto/tls"
	"testing"
	"time"

	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/iec104"
)

// An uplink with TLS serves the client whose certificate its group names, and
// nobody else, through a takeover too.
func TestUplinkOverTLS(t *testing.T) {
	s, ctx := newStation(t, rig.Options{Mode: "main-standby", TLS: true})
	s.Simulate(func(ctx context.Context) { s.Devices[0].Emit(ctx, 100, 1) })
	eventually(t, "events", func() bool { return s.Centre.Received.Len() > 50 })

	stranger, err := s.UplinkTLS("stranger")
	if err != nil {
		t.Fatal(err)
	}
	nameless := &tls.Config{RootCAs: stranger.RootCAs, MinVersion: tls.VersionTLS12}
	starts := s.Centre.Starts()
	for who, cfg := range map[string]*tls.Config{"no TLS": nil, "no certificate": nameless, "a certificate of another name": stranger} {
		short, cancel := context.WithTimeout(ctx, 3*time.Second)
		c, err := iec104.Dial(short, iec104.ClientConfig{Address: s.Uplinks()[0], TLS: cfg})
		if err == nil {
			if err = c.StartDT(short); err == nil {
				t.Errorf("a client with %s was let in", who)
			}
			c.Close()
		}
		cancel()
		t.Logf("%s: %v", who, err)
	}
	if got := s.Centre.Starts(); got != starts {
		t.Errorf("the control centre had to start %d times more", got-starts)
	}

	trial, err := s.KillOwner(ctx)
	if err != nil {
		t.Fatal(err)
	}
	noneLost(t, trial.Lost)
}
