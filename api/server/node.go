package server

import (
	"context"
	"io"

	"github.com/fepha/fepha/replica"
)

// Node is what the API needs of the node: the state, and what it takes to
// administer the group.
type Node interface {
	replica.Member

	Transfer(ctx context.Context, to string) error
	AddPeer(ctx context.Context, id, address string) error
	RemovePeer(ctx context.Context, id string) error
	Snapshot(ctx context.Context) (index uint64, err error)
	WriteSnapshot(w io.Writer) (index uint64, err error)
	Restore(ctx context.Context, r io.Reader) error
}

// peer is a member as this node knows it.
func (s *Server) peer(id string) (replica.Peer, bool) {
	for _, p := range s.cfg.Node.Info().Peers {
		if p.ID == id {
			return p, true
		}
	}
	return replica.Peer{}, false
}

// otherFEP is an alive FEP other than node, "" if there is none.
func (s *Server) otherFEP(node string) string {
	for _, p := range s.cfg.Node.Info().Peers {
		if p.Role == replica.RoleFEP && p.Alive && p.ID != node {
			return p.ID
		}
	}
	return ""
}
