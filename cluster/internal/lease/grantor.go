package lease

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// grantor is a leader's side of the leases, for one term that it leads.
type grantor struct {
	self  string
	lease time.Duration // how long one is valid, for its holder
	wait  time.Duration // for a successor
	ready bool          // everything that earlier leaders committed is applied
	shut  bool          // no one is given a lease

	before     map[string]Proof         // a voter has supported no earlier term after these instants
	supported  map[string]time.Duration // a voter supported this term at this instant or later, for any node's lease
	own        map[string]time.Duration // the same for the leader's lease alone
	granted    map[string]time.Duration // when a node's last lease was granted; the holder counts from before that
	barred     map[string]int           // nodes that are given no lease while proposals to take from them are in flight
	minApplied uint64                   // what a holder must have applied to know what was taken from it
}

func newGrantor(self string, wait time.Duration) *grantor {
	return &grantor{
		self: self, lease: ValidFor(wait), wait: wait,
		before:    map[string]Proof{},
		supported: map[string]time.Duration{},
		own:       map[string]time.Duration{},
		granted:   map[string]time.Duration{},
		barred:    map[string]int{},
	}
}

// open lets leases be granted, once the leader has applied everything that earlier leaders committed.
func (g *grantor) open(applied uint64) {
	g.ready = true
	g.minApplied = max(g.minApplied, applied)
}

// NoteElapsed takes a voter's answer, received at an instant.
func (g *grantor) NoteElapsed(voter string, received time.Duration, p Proof) {
	at := Proof{Others: received - p.Others, Holders: map[string]time.Duration{}, Own: received - p.Own}
	for id, elapsed := range p.Holders {
		at.Holders[id] = received - elapsed
	}
	g.before[voter] = at
}

// ProbeFor is whose lease a probe is to support. The leader and whoever asks for a lease are a quorum of three voters, so
// there the leader's own alone needs more. A support that binds nobody else makes no later leader wait for others' sake:
// such as for a witness's, which has none.
func (g *grantor) ProbeFor(voters []string) string {
	if Quorum(len(voters)) <= 2 {
		return g.self
	}
	return AnyNode
}

// NoteSupport takes a voter's answer to a probe that was sent at an instant, for the leader's own lease or for AnyNode's.
func (g *grantor) NoteSupport(voter, holder string, sent time.Duration) {
	noted := g.supported
	if holder != AnyNode {
		noted = g.own
	}
	noted[voter] = max(noted[voter], sent)
}

// Evident tells whether a quorum of voters has supported the term at an instant or later. The leader and the requester
// count: both do so by this very exchange.
func (g *grantor) Evident(since time.Duration, requester string, voters []string) bool {
	heard := func(from map[string]time.Duration, v string) bool {
		at, ok := from[v]
		return ok && at >= since
	}
	n := 0
	for _, v := range voters {
		if v == g.self || v == requester || heard(g.supported, v) || requester == g.self && heard(g.own, v) {
			n++
		}
	}
	return n >= Quorum(len(voters))
}

// Refusal tells why a node can't be given a lease whatever the evidence; "" if it can.
func (g *grantor) Refusal(node string) string {
	switch {
	case !g.ready:
		return "the leader is still applying what earlier ones committed"
	case g.shut:
		return "the state is being replaced"
	case g.barred[node] > 0:
		return "its resources are being taken away"
	}
	return ""
}

// Grant notes that a lease is granted at now, before the answer that says so leaves, and returns what its holder must
// have applied; owners is the index of the newest entry known that changed an owner. It must be asked for only after
// Evident and Refusal said yes and the leader itself has supported its term, all since the request came in.
func (g *grantor) Grant(now time.Duration, node string, owners uint64) (minApplied uint64) {
	g.minApplied = max(g.minApplied, owners)
	g.granted[node] = now
	return g.minApplied
}

// Fresh tells whether a lease granted to a node may be valid still, by this clock.
func (g *grantor) Fresh(now time.Duration, node string) bool {
	at, ok := g.granted[node]
	return ok && now < at+g.lease
}

// free is the instant from which on a node holds no lease, if it's granted none any more. It isn't known before a quorum
// has proved how old the leases of earlier terms are.
func (g *grantor) free(node string, voters []string) (at time.Duration, known bool) {
	old, known := g.lastOld(node, voters)
	return max(old, g.granted[node]) + g.wait, known
}

// AllFree is the instant from which on no node holds a lease, if none is granted any more.
func (g *grantor) AllFree(voters []string) (at time.Duration, known bool) {
	// Who was taken out of the group may hold one, too.
	for _, id := range append(slices.Collect(maps.Keys(g.granted)), voters...) {
		free, known := g.free(id, voters)
		if !known {
			return 0, false
		}
		at = max(at, free)
	}
	return at, true
}

// OldFree is the instant from which on no lease of an earlier term is valid, nor any of this term that began before
// since.
func (g *grantor) OldFree(since time.Duration, voters []string) (at time.Duration, known bool) {
	old, known := g.lastOld(AnyNode, voters)
	return max(old, since) + g.wait, known
}

// lastOld is an instant after which no lease of an earlier term, held by a node or by AnyNode, can have begun. Such a lease
// stands on a quorum that supported its term for it, and any quorum has a member in common with it. That member may be the
// holder.
func (g *grantor) lastOld(node string, voters []string) (at time.Duration, known bool) {
	var answers []time.Duration
	for _, v := range voters {
		p, ok := g.before[v]
		if !ok {
			continue
		}
		at := p.Others
		if v == node || node == AnyNode {
			at = max(at, p.Own)
		}
		for holder, bound := range p.Holders {
			if holder == node || node == AnyNode {
				at = max(at, bound)
			}
		}
		answers = append(answers, at)
	}
	n := Quorum(len(voters))
	if len(answers) < n {
		return 0, false
	}
	slices.Sort(answers)
	return answers[n-1], true
}

// bar begins to take resources from a node: no lease is granted to it until unbar. It fails while the node may hold one.
func (g *grantor) bar(now time.Duration, node string, voters []string) error {
	switch at, known := g.free(node, voters); {
	case !known:
		return fmt.Errorf("node %s may hold a lease of an earlier term: no quorum has proved how old it is", node)
	case now < at:
		return fmt.Errorf("node %s may hold a lease for another %v", node, at-now)
	}
	g.barred[node]++
	return nil
}

// unbar ends what bar began, once the proposal is applied at index, or certainly never will be (0).
func (g *grantor) unbar(node string, index uint64) {
	g.minApplied = max(g.minApplied, index)
	if g.barred[node]--; g.barred[node] <= 0 {
		delete(g.barred, node)
	}
}
