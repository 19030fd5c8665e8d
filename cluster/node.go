package cluster

import (
	"context"
	"errors"

	"github.com/fepha/fepha/fsm"
)

var errNotYet = errors.New("not yet")

// Node is one member of a station's group. Its methods may be called from any goroutine.
type Node struct{}

// Start opens the data folder, joins (or on the very first start forms) the group, and returns at once: a leader is
// there some time later. Errors are ErrConfig, ErrDataDir, or what the listener says.
func Start(cfg Config) (*Node, error) { return nil, errNotYet }

// Close gives up every tenure, stops the node and returns after all its goroutines have ended. It may be called twice.
func (n *Node) Close() error { return nil }

// ID is this node's id.
func (n *Node) ID() string { return "" }

// View runs read with the replicated state as this node has applied it. No command is applied meanwhile, so read must
// be short, must not block, and must keep no reference to the state.
func (n *Node) View(read func(s *fsm.State)) {}

// Applied is the index of the newest log entry that View shows, and a channel that's closed when it has grown, or when
// the node closes.
func (n *Node) Applied() (index uint64, grown <-chan struct{}) { return 0, nil }

// WaitApplied waits until View shows the entry at index. Errors are ctx's, or ErrClosed.
func (n *Node) WaitApplied(ctx context.Context, index uint64) error { return errNotYet }
