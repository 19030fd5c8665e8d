package cluster

import (
	"github.com/hashicorp/raft"

	"github.com/fepha/fepha/replica"
)

// Who's in the group is Raft's to say; where they are and what they're for is the configuration's. So a station whose
// addresses change needs no change of the group.

// members are the nodes that the configuration lists.
func (n *Node) members() []Member { return n.cfg.Members }

func (n *Node) member(id string) (Member, bool) { return n.cfg.member(id) }

// servers are who Raft says is in the group; none before it has started, when others may connect already.
func (n *Node) servers() []raft.Server {
	if r := n.started.Load(); r != nil {
		return r.GetConfiguration().Configuration().Servers
	}
	return nil
}

// memberIDs are the nodes that may connect.
func (n *Node) memberIDs() []string {
	var ids []string
	for _, m := range n.cfg.Members {
		ids = append(ids, m.ID)
	}
	for _, s := range n.servers() {
		ids = append(ids, string(s.ID))
	}
	return ids
}

// voters are the ids of those whose vote counts.
func (n *Node) voters() []string {
	var ids []string
	for _, s := range n.servers() {
		if s.Suffrage == raft.Voter {
			ids = append(ids, string(s.ID))
		}
	}
	return ids
}

// others are the voters beside this node.
func (n *Node) others() []string {
	var ids []string
	for _, id := range n.voters() {
		if id != n.cfg.ID {
			ids = append(ids, id)
		}
	}
	return ids
}

// address is where a node listens.
func (n *Node) address(id string) (string, bool) {
	if m, ok := n.cfg.member(id); ok {
		return m.Address, true
	}
	for _, s := range n.servers() {
		if string(s.ID) == id {
			return string(s.Address), true
		}
	}
	return "", false
}

// idOf is the node that listens at an address: it must show that one's certificate.
func (n *Node) idOf(address raft.ServerAddress) string {
	for _, m := range n.cfg.Members {
		if m.Address == string(address) {
			return m.ID
		}
	}
	for _, s := range n.servers() {
		if s.Address == address {
			return string(s.ID)
		}
	}
	return ""
}

// addressBook is for Raft's transport.
type addressBook struct{ n *Node }

func (b addressBook) ServerAddr(id raft.ServerID) (raft.ServerAddress, error) {
	if address, ok := b.n.address(string(id)); ok {
		return raft.ServerAddress(address), nil
	}
	return "", replica.ErrUnknownNode
}
