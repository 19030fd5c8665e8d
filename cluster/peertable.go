package cluster

import (
	"sync"
	"time"

	"github.com/fepha/fepha/cluster/clusterpb"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/replica"
)

// peerTable is what the leader told this node last of the members.
type peerTable struct {
	mu     sync.Mutex
	leader string
	at     time.Duration
	peers  []*clusterpb.LeaseResponse_Peer
}

func (t *peerTable) set(leader string, at time.Duration, peers []*clusterpb.LeaseResponse_Peer) {
	if len(peers) == 0 {
		return // it isn't the leader
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.leader, t.at, t.peers = leader, at, peers
}

func (t *peerTable) get() (string, time.Duration, []*clusterpb.LeaseResponse_Peer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.leader, t.at, t.peers
}

// peerTableOf is what a leader knows of the members, by host; build is its own program's version, vitals tells how it is; nil: that isn't asked for.
func peerTableOf(t *leaderTerm, build string, vitals func() *replica.Vitals) []*clusterpb.LeaseResponse_Peer {
	voters := map[string]bool{}
	for _, id := range t.group.voters() {
		voters[id] = true
	}
	now := t.clock()
	var inForce string
	t.state.view(func(s *fsm.State) { inForce = s.Config().GetDigest() })
	t.mu.Lock()
	defer t.mu.Unlock()
	var table []*clusterpb.LeaseResponse_Peer
	for _, m := range t.group.members {
		p := &clusterpb.LeaseResponse_Peer{
			Id: m.ID, Host: uint32(m.Host), Role: string(m.Role), Address: m.Address,
			Voter: voters[m.ID], Lease: t.core.Fresh(now, m.ID), LastContact: -1,
		}
		said := t.core.Member(m.ID)
		switch {
		case m.ID == t.group.self.ID:
			p.State, p.Alive, p.Build, p.Applied, p.LastContact = "leader", true, build, t.state.applied.Load(), 0
			p.Level, p.Digest = fsm.Level, t.own.now().digest
			if vitals != nil {
				p.Vitals = clusterpb.VitalsOf(vitals())
			}
			p.ConfigDiffers = p.Digest != inForce
		case said.Spoke:
			p.LastContact, p.Applied = int64(now-said.At), said.Applied
			if p.Alive = t.core.Alive(now, m.ID); p.Alive {
				p.State = "follower"
			}
		}
		if said.Digest != "" {
			p.Build, p.Level, p.ConfigDiffers = said.Build, said.Level, said.Digest != inForce
			p.Digest, p.Vitals = said.Digest, clusterpb.VitalsOf(said.Vitals)
		}
		if c := said.Clock; c.Known {
			p.Clock = &clusterpb.ClockOffset{Leader: t.group.self.ID, Offset: int64(c.Offset), Error: int64(c.Error)}
		}
		table = append(table, p)
	}
	return table
}

func peersOf(table []*clusterpb.LeaseResponse_Peer) []replica.Peer {
	peers := make([]replica.Peer, 0, len(table))
	for _, p := range table {
		peers = append(peers, replica.Peer{
			ID: p.Id, Host: int(p.Host), Role: replica.Role(p.Role), Address: p.Address, State: p.State, Voter: p.Voter,
			Alive: p.Alive, Lease: p.Lease, ConfigDiffers: p.ConfigDiffers, Build: p.Build,
			AppliedIndex: p.Applied, LastContact: time.Duration(p.LastContact), Level: p.Level,
			ClockKnown: p.Clock != nil, ClockOffset: time.Duration(p.Clock.GetOffset()), ClockError: time.Duration(p.Clock.GetError()),
			Digest: p.Digest, Vitals: p.Vitals.Told(),
		})
	}
	return peers
}
