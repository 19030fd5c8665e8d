package raftio

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftwal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/types"
)

// walSegment is how large a file of the log is: it's allocated as a whole, and goes as a whole when the log is cut.
const walSegment = 16 << 20

// openWAL opens the log in a folder. What segments there are stands in the stable store, with its checksum, and not in a
// second database.
//
// A WAL ends at the first record that isn't whole, since that's what a crash in the middle of a write leaves. So a bit
// that's flipped in the newest records is taken for that, too: where disks are doubtful, use bolt.
func openWAL(folder string, stable raft.StableStore, log hclog.Logger) (w *raftwal.WAL, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: the log in %s is damaged: %v: %s", ErrDataDir, folder, r, HowToRejoin)
		}
	}()
	w, err = raftwal.Open(folder, raftwal.WithMetaStore(walMeta{stable}), raftwal.WithSegmentSize(walSegment), raftwal.WithLogger(log))
	if err != nil {
		return nil, fmt.Errorf("%w: opening the log in %s: %w", ErrDataDir, folder, err)
	}
	return w, nil
}

// walMeta keeps the list of segments in a stable store, which replaces a value as a whole.
type walMeta struct{ stable raft.StableStore }

var keyWAL = []byte("Segments")

func (m walMeta) Load(string) (types.PersistentState, error) {
	var state types.PersistentState
	data, err := m.stable.Get(keyWAL)
	if errors.Is(err, errNotFound) {
		return state, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &state)
	}
	return state, err
}

func (m walMeta) CommitState(state types.PersistentState) error {
	data, err := json.Marshal(state)
	if err != nil {
		return err
	}
	return m.stable.Set(keyWAL, data)
}

var errNoStable = errors.New("term and vote aren't in the WAL")

func (walMeta) GetStable([]byte) ([]byte, error) { return nil, errNoStable }
func (walMeta) SetStable([]byte, []byte) error   { return errNoStable }
func (walMeta) Close() error                     { return nil }
