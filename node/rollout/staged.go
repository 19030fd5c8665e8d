package rollout

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/internal/atomicfile"
)

// A node keeps in its data folder what `config apply` is about to put in force,
// so that a crash at any moment leaves it with all of it or nothing:
//
//	config-staged.json     checked by this node; in force once the group's state says so
//	config-committed.json  in force; being written over station.yaml and its tables
//
// The second is the first, renamed. What was begun is completed when the node
// starts: the files are written before they're read.
const (
	stagedFile    = "config-staged.json"
	committedFile = "config-committed.json"
)

// Staged is a configuration that this node is ready to run.
type Staged struct {
	Stage  uint64 `json:"stage"`  // that would put it in force
	Base   string `json:"base"`   // digest of what the node ran when it was staged
	Digest string `json:"digest"` // its own
	Bundle []byte `json:"bundle"` // packed
}

// keep stores it durably.
func (s *Staged) keep(dataDir string) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return atomicfile.WriteAll(map[string][]byte{filepath.Join(dataDir, stagedFile): data})
}

// readStaged reads what lies in a data folder; nil if there is nothing.
func readStaged(dataDir, name string) (*Staged, error) {
	data, err := os.ReadFile(filepath.Join(dataDir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	s := new(Staged)
	if err == nil {
		err = json.Unmarshal(data, s)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dataDir, name), err)
	}
	return s, nil
}

// commit writes what the group has put in force over the files that --config
// names. It may be repeated.
func commit(dataDir, config string) error {
	err := os.Rename(filepath.Join(dataDir, stagedFile), filepath.Join(dataDir, committedFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := atomicfile.SyncDir(dataDir); err != nil { // before the first file is written: else a crash might leave half of them
		return err
	}
	_, err = Complete(dataDir, config)
	return err
}

// Complete ends what a rollout had begun when the node ended: afterwards the
// files at config are those that it has to run. It's to be called before they
// are read. If they can't be written now, say since the disk is full, instead is
// what the node has to run; the next start tries again.
func Complete(dataDir, config string) (instead *Staged, err error) {
	s, err := readStaged(dataDir, committedFile)
	if s == nil {
		return nil, err
	}
	if err := atomicfile.Sweep(filepath.Dir(config)); err != nil { // what the crash has left there
		return s, err
	}
	bundle, err := configs.DecodeBundle(s.Bundle)
	if err == nil {
		err = bundle.Write(config)
	}
	if err != nil {
		return s, fmt.Errorf("the configuration that is in force can't be written to %s: %w", config, err)
	}
	return nil, remove(dataDir, committedFile)
}

func remove(dataDir, name string) error {
	if err := os.Remove(filepath.Join(dataDir, name)); err != nil {
		return err
	}
	return atomicfile.SyncDir(dataDir)
}

// Pending is what was staged in a data folder and may have been put in force
// without this node, which is about to run station; nil if there is none. What
// was staged before somebody edited the files counts no more, and is removed.
func Pending(dataDir string, station *configs.Station) (*Staged, error) {
	s, err := readStaged(dataDir, stagedFile)
	if s == nil || err != nil {
		return nil, err
	}
	if digest := station.Digest(); s.Base != digest || s.Digest == digest {
		return nil, remove(dataDir, stagedFile)
	}
	return s, nil
}

// Load checks the configuration as though it lay at config.
func (s *Staged) Load(config string) (*configs.Station, error) {
	_, station, err := loadBundle(s.Bundle, config)
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

// Declaration is what the group has to know of it.
func (s *Staged) Declaration(config string) (*fsmpb.Configure, error) {
	station, err := s.Load(config)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", stagedFile, err)
	}
	d := Declaration(station)
	d.Stage = s.Stage
	return d, nil
}
