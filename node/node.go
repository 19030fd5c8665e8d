// Package node is what a node of a station is made of: it turns the
// configuration into what each part wants to know, starts the parts from the
// bottom up, and ends them from the top down.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/internal/build"
	"github.com/fepha/fepha/node/rollout"
)

// A Config says which node of which station to run.
type Config struct {
	File    string     // station.yaml
	ID      string     // this node's in it
	DataDir string     // its Raft log and snapshots
	Build   build.Info // the program's, which the other nodes are told
	Log     *slog.Logger

	// LogTail has the newest lines of the log, for `fepha debug bundle`; nil: nobody keeps them.
	LogTail func() []byte
	// LogZone is told the station's time zone, for the log, once the configuration is read; nil: nobody is.
	LogZone func(*time.Location)
}

// A ConfigError says what is wrong with the configuration: nothing was started,
// or nothing is left running.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }
func (e *ConfigError) Unwrap() error { return e.Err }

// ErrUnknownNode: the configuration has no node of that id.
var ErrUnknownNode = errors.New("no such node in the configuration")

// Run runs a node until ctx ends or a part of it fails.
func Run(ctx context.Context, c Config) error {
	a, err := assemble(c)
	if err != nil {
		return err
	}
	return a.run(ctx)
}

// load loads what the node is to run.
func load(c Config) (*configs.Station, configs.Node, error) {
	read := configs.Load
	instead, err := rollout.Complete(c.DataDir, c.File)
	switch {
	case err != nil && instead == nil:
		return nil, configs.Node{}, err
	case err != nil:
		c.Log.Error("running the configuration in force from the data folder; the next start writes its files again", "error", err)
		read = instead.Load
	}
	station, err := read(c.File)
	if err != nil {
		return nil, configs.Node{}, &ConfigError{err}
	}
	self, ok := station.Node(c.ID)
	if !ok {
		var ids []string
		for _, n := range station.Cluster.Nodes {
			ids = append(ids, n.ID)
		}
		return nil, configs.Node{}, &ConfigError{fmt.Errorf("%w: %q, expected one of %q, the nodes in %s", ErrUnknownNode, c.ID, ids, filepath.Base(c.File))}
	}
	return station, self, nil
}
