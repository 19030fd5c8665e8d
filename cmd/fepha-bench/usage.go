package main

import (
	"context"
	"time"

	"github.com/fepha/fepha/cmd/internal/rig"
)

// use is what a node's process took while it was watched.
type use struct {
	rig.Usage         // at the end
	cpu       float64 // share of one core
}

// watch measures all nodes, by their ids, for a while.
func watch(ctx context.Context, s *rig.Station, lasting time.Duration) (map[string]use, error) {
	before := map[string]time.Duration{}
	for _, n := range s.Nodes() {
		u, err := s.Usage(n.ID)
		if err != nil {
			return nil, err
		}
		before[n.ID] = u.CPU
	}
	began := time.Now()
	if err := rig.Pause(ctx, lasting); err != nil {
		return nil, err
	}
	used := map[string]use{}
	for _, n := range s.Nodes() {
		u, err := s.Usage(n.ID)
		if err != nil {
			return nil, err
		}
		used[n.ID] = use{u, (u.CPU - before[n.ID]).Seconds() / time.Since(began).Seconds()}
	}
	return used, nil
}

// megabytes are 10^6 octets.
func megabytes(octets int64) float64 { return float64(octets) / 1e6 }
