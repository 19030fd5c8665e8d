package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fepha/fepha/cmd/internal/bystander"
	"github.com/fepha/fepha/cmd/internal/hostile"
	"github.com/fepha/fepha/cmd/internal/rig"
)

// What a node may take beside hostile neighbours, in octets. docs/SECURITY.md has what was measured.
const (
	memoryBound = 256 << 20 // resident, of any of its processes
	logBound    = 512 << 10 // a minute, faults included
)

// lookTime is how long the good neighbours may look, when all is over, what became of what they have asked for.
const lookTime = 30 * time.Second

// siege is a run of hostile neighbours beside the good ones.
type siege struct {
	s     *rig.Station
	parts []*hostile.Part
	good  []bystander.Bystander
	began time.Time
	logs  map[string]int64 // octets at the beginning, by node
	end   func()
}

// besiege has them begin.
func besiege(s *rig.Station) (*siege, error) {
	ground, err := s.BystanderGround()
	if err != nil {
		return nil, err
	}
	g := &siege{s: s, parts: hostile.Parts(s.Ground()), good: bystander.All(ground), began: time.Now(), logs: map[string]int64{}}
	for _, n := range s.Nodes() {
		size, err := logSize(s, n.ID)
		if err != nil {
			return nil, err
		}
		g.logs[n.ID] = size
	}
	g.end = s.Simulate(func(ctx context.Context) {
		defer ground.Close()
		look, end := context.WithCancel(context.WithoutCancel(ctx))
		defer end()
		defer context.AfterFunc(ctx, func() {
			_ = rig.Pause(look, lookTime)
			end()
		})()
		var running sync.WaitGroup
		for _, p := range g.parts {
			running.Go(func() { p.Run(ctx) })
		}
		for _, b := range g.good {
			running.Go(func() { b.Run(ctx, look) })
		}
		running.Wait()
	})
	return g, nil
}

func logSize(s *rig.Station, id string) (int64, error) {
	info, err := os.Stat(s.LogFile(id))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// borne is what a node took.
type borne struct {
	Node         string `json:"node"`
	Resident     int64  `json:"max_resident_octets"`
	LogPerMinute int64  `json:"log_octets_per_minute"`
}

// fared is what became of what a good neighbour asked for.
type fared struct {
	Name            string            `json:"name"`
	Done            map[string]uint64 `json:"done"`
	LongestSilentMs int64             `json:"longest_without_ms"` // without what it wants
	Wrong           int               `json:"wrong"`              // that may never happen
}

// siegeReport is what the hostile neighbours did, how the good ones fared, and what it took of the nodes.
type siegeReport struct {
	Done  map[string]map[string]uint64 `json:"done"` // by part and deed
	Good  []fared                      `json:"good"`
	Nodes []borne                      `json:"nodes"`
}

// raise ends the siege. The error tells of a node that took too much, of a part that didn't do what it is there for, and of what a good
// neighbour suffered.
func (g *siege) raise() (*siegeReport, error) {
	g.end()
	minutes := time.Since(g.began).Minutes()
	var errs []error
	r := &siegeReport{Done: map[string]map[string]uint64{}}
	for _, p := range g.parts {
		r.Done[p.Name] = p.Done()
		if undone := p.Undone(); len(undone) > 0 {
			errs = append(errs, fmt.Errorf("the hostile %s never did this: %q", p.Name, undone))
		}
	}
	for _, b := range g.good {
		for _, a := range b.Accounts() {
			r.Good = append(r.Good, fared{a.Name, a.Done(), a.Longest().Milliseconds(), a.Wrong()})
			errs = append(errs, a.Judge())
		}
	}
	for _, n := range g.s.Nodes() {
		size, err := logSize(g.s, n.ID)
		if err != nil {
			return r, errors.Join(append(errs, err)...)
		}
		b := borne{n.ID, g.s.Most(n.ID), int64(float64(size-g.logs[n.ID]) / minutes)}
		r.Nodes = append(r.Nodes, b)
		errs = append(errs, b.judge())
	}
	return r, errors.Join(errs...)
}

// judge is an error if the node took more than it may.
func (b borne) judge() error {
	var errs []error
	if b.Resident > memoryBound {
		errs = append(errs, fmt.Errorf("%s had %.0f MB resident, expected at most %.0f", b.Node, megabytes(b.Resident), megabytes(memoryBound)))
	}
	if b.LogPerMinute > logBound {
		errs = append(errs, fmt.Errorf("the log of %s grew by %.2f MB a minute, expected at most %.2f", b.Node, megabytes(b.LogPerMinute), megabytes(logBound)))
	}
	return errors.Join(errs...)
}

func (r *siegeReport) print(out io.Writer) {
	for _, part := range slices.Sorted(maps.Keys(r.Done)) {
		fmt.Fprintf(out, "hostile %s: %s\n", part, counts(r.Done[part]))
	}
	for _, g := range r.Good {
		fmt.Fprintf(out, "good %s: %s; longest without %d ms, %d wrong\n", g.Name, counts(g.Done), g.LongestSilentMs, g.Wrong)
	}
	for _, b := range r.Nodes {
		fmt.Fprintf(out, "%-4s max %.0f MB resident, log %.3f MB a minute\n", b.Node, megabytes(b.Resident), megabytes(b.LogPerMinute))
	}
}

// counts are how often what was done.
func counts(done map[string]uint64) string {
	var list []string
	for _, deed := range slices.Sorted(maps.Keys(done)) {
		list = append(list, fmt.Sprintf("%s %d", deed, done[deed]))
	}
	return strings.Join(list, ", ")
}
