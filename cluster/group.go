package cluster

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"github.com/fepha/fepha/replica"
)

// group is who belongs together. Who's in it is Raft's to say; where they are and what they're for is the
// configuration's. So a station whose addresses change needs no change of the group.
type group struct {
	self    Member
	members []Member // as configured, by host
	raft    atomic.Pointer[raft.Raft]
}

func newGroup(self Member, members []Member) *group { return &group{self: self, members: members} }

// attach is called once Raft is made. Others may connect before.
func (g *group) attach(r *raft.Raft) { g.raft.Store(r) }

// leader is the id of the leader that Raft knows of; "" for none.
func (g *group) leader() string {
	r := g.raft.Load()
	if r == nil {
		return ""
	}
	_, id := r.LeaderWithID()
	return string(id)
}

// member finds a node that the configuration lists.
func (g *group) member(id string) (Member, bool) {
	i := slices.IndexFunc(g.members, func(m Member) bool { return m.ID == id })
	if i < 0 {
		return Member{}, false
	}
	return g.members[i], true
}

// servers are who Raft says is in the group.
func (g *group) servers() []raft.Server {
	if r := g.raft.Load(); r != nil {
		return r.GetConfiguration().Configuration().Servers
	}
	return nil
}

// ids are the nodes that may connect.
func (g *group) ids() []string {
	var ids []string
	for _, m := range g.members {
		ids = append(ids, m.ID)
	}
	for _, s := range g.servers() {
		ids = append(ids, string(s.ID))
	}
	return ids
}

// voters are the ids of those whose vote counts.
func (g *group) voters() []string {
	var ids []string
	for _, s := range g.servers() {
		if s.Suffrage == raft.Voter {
			ids = append(ids, string(s.ID))
		}
	}
	return ids
}

func (g *group) isVoter(id string) bool { return slices.Contains(g.voters(), id) }

// others are the voters beside this node.
func (g *group) others() []string {
	return slices.DeleteFunc(g.voters(), func(id string) bool { return id == g.self.ID })
}

// address is where a node listens.
func (g *group) address(id string) (string, bool) {
	if m, ok := g.member(id); ok {
		return m.Address, true
	}
	for _, s := range g.servers() {
		if string(s.ID) == id {
			return string(s.Address), true
		}
	}
	return "", false
}

// isMemberAt tells whether a member has that IP address. Members whose addresses are names are not known by it.
func (g *group) isMemberAt(a netip.Addr) bool {
	return slices.ContainsFunc(g.ids(), func(id string) bool {
		address, _ := g.address(id)
		known, err := netip.ParseAddrPort(address)
		return err == nil && known.Addr().Unmap() == a
	})
}

// idAt is the node that listens at an address: it must show that one's certificate.
func (g *group) idAt(address raft.ServerAddress) string {
	for _, m := range g.members {
		if m.Address == string(address) {
			return m.ID
		}
	}
	for _, s := range g.servers() {
		if s.Address == address {
			return string(s.ID)
		}
	}
	return ""
}

// ServerAddr implements raft.ServerAddressProvider.
func (g *group) ServerAddr(id raft.ServerID) (raft.ServerAddress, error) {
	if address, ok := g.address(string(id)); ok {
		return raft.ServerAddress(address), nil
	}
	return "", replica.ErrUnknownNode
}

// knownApplied is how far each node was, as this one has heard since it runs: the newest entry of its state.
//
// A data folder that is older than what its node has told the others, such as one restored from a backup, has forgotten votes
// and entries that the node has answered for: with it two leaders of one term, and the loss of what was committed, are
// possible. So a node that starts asks the others before it takes part.
type knownApplied struct {
	mu sync.Mutex
	of map[string]uint64
}

func (k *knownApplied) note(id string, applied uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.of == nil {
		k.of = map[string]uint64{}
	}
	k.of[id] = max(k.of[id], applied)
}

func (k *knownApplied) get(id string) uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.of[id]
}
