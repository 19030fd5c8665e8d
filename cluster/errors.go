package cluster

import "errors"

// What callers test for. Each is wrapped with what was being done.
var (
	// ErrStuck: the disk or Raft itself hangs past its deadline. The node has given up its leases; end the process.
	ErrStuck = errors.New("node stuck")

	// ErrDataDir: what's in the data folder can't be used: locked, damaged, or of another node.
	ErrDataDir = errors.New("data folder unusable")

	// ErrConfig: the configuration given to Start is wrong.
	ErrConfig = errors.New("bad cluster configuration")
)
