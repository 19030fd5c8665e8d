package rollout

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/internal/atomicfile"
)

// Files of a data folder. A crash at any moment leaves a node with all files of a configuration or with none: what is in force is
// kept whole before the first file is written, and what was begun is completed when the node starts, before they're read.
const (
	committedFile = "config-committed.json" // in force; being written over station.yaml and its tables
	replacedFile  = "config-replaced.tar.gz"
)

// Committed is a configuration in force that may not be written to its files yet.
type Committed struct {
	Digest string `json:"digest"`
	Bundle []byte `json:"bundle"` // packed
}

// keep stores it durably.
func (c *Committed) keep(dataDir string) error {
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return atomicfile.WriteAll(map[string][]byte{filepath.Join(dataDir, committedFile): data})
}

// Complete writes what the group has put in force over the files at config, if that was begun and isn't done yet. It's to be called
// before they are read. If they can't be written now, say since the disk is full, instead is what the node has to run; the next
// start tries again.
func Complete(dataDir, config string) (instead *Committed, err error) {
	_ = os.Remove(filepath.Join(dataDir, "config-staged.json")) // of former builds, which kept there what wasn't in force yet
	path := filepath.Join(dataDir, committedFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	c := new(Committed)
	if err == nil {
		err = json.Unmarshal(data, c)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := atomicfile.Sweep(filepath.Dir(config)); err != nil { // what the crash has left there
		return c, err
	}
	bundle, err := configs.DecodeBundle(c.Bundle)
	if err == nil {
		err = bundle.Write(config)
	}
	if err != nil {
		return c, fmt.Errorf("the configuration that is in force can't be written to %s: %w", config, err)
	}
	if err := os.Remove(path); err != nil {
		return nil, err
	}
	return nil, atomicfile.SyncDir(dataDir)
}

// Load checks the configuration as though it lay at config.
func (c *Committed) Load(config string) (*configs.Station, error) {
	_, station, err := loadBundle(c.Bundle, config)
	return station, err
}

// loadBundle unpacks a configuration and checks it as though it lay at config.
func loadBundle(octets []byte, config string) (*configs.Bundle, *configs.Station, error) {
	files, err := configs.DecodeBundle(octets)
	if err != nil {
		return nil, nil, err
	}
	station, err := files.Load(config)
	return files, station, err
}

// keepReplaced keeps what lies at config, which somebody has changed by hand, before it's written over. It returns where.
func keepReplaced(dataDir, config string) (path string, err error) {
	bundle, _, err := configs.ReadBundle(config)
	if err != nil {
		return "", err
	}
	octets, err := bundle.Encode()
	if err != nil {
		return "", err
	}
	path = filepath.Join(dataDir, replacedFile)
	return path, atomicfile.Write(path, octets, 0o600)
}
