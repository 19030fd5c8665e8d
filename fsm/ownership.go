package fsm

import (
	"slices"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
	"github.com/fepha/fepha/fsm/internal/resource"
)

// Ownership: who owns a resource, in which epoch. Who should is the policy of the leader; here it is only made sure that
// each decision is made on what is true now, by compare-and-set on the epoch.

// Resource returns a resource by its id. RTUs that share their links have one, whose id is that of the first of them.
func (s *State) Resource(id string) (Resource, bool) {
	r, ok := s.resources[id]
	if !ok {
		return Resource{}, false
	}
	return *r, true
}

// Resources returns all resources: RTUs by number, then uplink groups by id, then FNP, then exports by id.
func (s *State) Resources() []Resource {
	rs := make([]Resource, 0, len(s.resources))
	for _, r := range s.sortedResources() {
		rs = append(rs, *r)
	}
	return rs
}

func (s *State) sortedResources() []*Resource {
	rs := make([]*Resource, 0, len(s.resources))
	for id, r := range s.resources {
		if id == r.ID { // the others name one that is shared
			rs = append(rs, r)
		}
	}
	slices.SortFunc(rs, resource.Compare)
	return rs
}

// assign gives a resource to a node in a new epoch, whatever its phase.
func (s *State) assign(at command.Stamp, op *fsmpb.Assign) *fsmpb.Result {
	r, bad := s.expect(op.Resource, op.ExpectEpoch, op.Owner, op.Owner != "")
	if bad != nil {
		return bad
	}
	if r.Owner == "" && op.Owner == "" {
		return r.About(command.Already())
	}
	s.begin(at, r, op.Owner, op.Reason, resource.TimingsOf(op.Timings))
	return r.About(command.Done())
}

// move begins a planned move. The epoch stays: the owner works on until it has closed its links.
func (s *State) move(at command.Stamp, op *fsmpb.Move) *fsmpb.Result {
	r, bad := s.expect(op.Resource, op.ExpectEpoch, op.To, true)
	switch {
	case bad != nil:
		return bad
	case r.Phase == Unowned:
		return r.About(command.Refuse(fsmpb.Result_CONFLICT, "%s: nobody owns it, so there is nothing to move", r.ID))
	case r.Phase == Releasing && r.Target == op.To:
		return r.About(command.Already())
	case r.Phase == Releasing:
		return r.About(command.Refuse(fsmpb.Result_CONFLICT, "%s: it is already on its way to %q", r.ID, r.Target))
	case r.Owner == op.To:
		return r.About(command.Refuse(fsmpb.Result_INVALID, "%s: %q owns it already", r.ID, op.To))
	}
	r.Phase, r.Target, r.SinceMs, r.Reason = Releasing, op.To, at.Ms, command.Clip(op.Reason)
	s.rev.Resources++
	s.note(at, &Note{Kind: NoteMoving, Resource: r.ID, Epoch: r.Epoch, From: r.Owner, To: r.Target, Reason: r.Reason, Origin: command.Clip(op.Origin)})
	return r.About(command.Done())
}

// expect finds a resource that is in the epoch which the proposer believes, and checks the node that it is meant for.
func (s *State) expect(id string, epoch uint64, node string, needNode bool) (*Resource, *fsmpb.Result) {
	r := s.resources[id]
	if r == nil {
		return nil, command.Refuse(fsmpb.Result_NOT_FOUND, "there is no resource %q", id)
	}
	if needNode {
		if bad := s.checkFEP(node); bad != nil {
			return nil, r.About(bad)
		}
	}
	if epoch != r.Epoch {
		if epoch+1 == r.Epoch && r.Owner == node && r.Phase != Releasing { // proposed again after a lost answer
			return nil, r.About(command.Already())
		}
		return nil, r.About(command.Refuse(fsmpb.Result_CONFLICT, "%s: expected epoch %d, it is in epoch %d of %q", id, epoch, r.Epoch, r.Owner))
	}
	return r, nil
}

// checkFEP refuses to give a resource to what is not a FEP.
func (s *State) checkFEP(node string) *fsmpb.Result {
	switch n := s.node(node); {
	case n == nil:
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no node %q", node)
	case n.Role != roleFEP:
		return command.Refuse(fsmpb.Result_INVALID, "node %q is a %s and can own nothing", node, n.Role)
	}
	return nil
}

// released ends a planned move: the former owner's links are closed.
func (s *State) released(at command.Stamp, op *fsmpb.Released) *fsmpb.Result {
	r := s.resources[op.Resource]
	if r == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no resource %q", op.Resource)
	}
	if op.Epoch+1 == r.Epoch {
		return r.About(command.Already())
	}
	if bad := r.Fence(op.Epoch, op.Node); bad != nil {
		return bad
	}
	if r.Phase != Releasing {
		return r.About(command.Refuse(fsmpb.Result_CONFLICT, "%s: nobody asked %q to release it", r.ID, op.Node))
	}
	// Two clocks, so this is a figure for people, and no decision hangs on it.
	s.begin(at, r, r.Target, r.Reason, Timings{LeasedMs: max(0, at.Ms-r.SinceMs)})
	return r.About(command.Done())
}

// claim takes an uplink group for the node where its client asked to start. In a dual-active group every FEP may start,
// so the second claim is granted too and changes nothing.
func (s *State) claim(at command.Stamp, op *fsmpb.Claim) *fsmpb.Result {
	r := s.resources[op.Resource]
	if r == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no resource %q", op.Resource)
	}
	g := s.group(op.Resource)
	if g == nil {
		return r.About(command.Refuse(fsmpb.Result_INVALID, "%s: only uplink groups are claimed", r.ID))
	}
	if bad := s.checkFEP(op.Node); bad != nil {
		return r.About(bad)
	}
	switch {
	case r.Phase == Unowned:
		s.begin(at, r, op.Node, "claimed by "+command.Clip(op.Client), Timings{})
		return r.About(command.Done())
	case g.mode == fsmpb.Configure_DUAL_ACTIVE, r.Phase == Owned && r.Owner == op.Node:
		return r.About(command.Already())
	case r.Phase == Releasing:
		return r.About(command.Refuse(fsmpb.Result_CONFLICT, "%s: it is on its way from %q to %q", r.ID, r.Owner, r.Target))
	}
	return r.About(command.Refuse(fsmpb.Result_CONFLICT, "%s: %q owns it", r.ID, r.Owner))
}

// pin binds a resource to a node, or unbinds it.
func (s *State) pin(at command.Stamp, op *fsmpb.Pin) *fsmpb.Result {
	r := s.resources[op.Resource]
	if r == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no resource %q", op.Resource)
	}
	if op.Node != "" {
		if bad := s.checkFEP(op.Node); bad != nil {
			return r.About(bad)
		}
	}
	if r.Pin == op.Node {
		return r.About(command.Already())
	}
	s.note(at, &Note{Kind: NotePin, Resource: r.ID, Epoch: r.Epoch, From: r.Pin, To: op.Node, Origin: command.Clip(op.Origin)})
	r.Pin = op.Node
	s.rev.Resources++
	return r.About(command.Done())
}

// activated completes the timings of a takeover. It may come twice: connected, then first data; 0 leaves what is there.
func (s *State) activated(at command.Stamp, op *fsmpb.Activated) *fsmpb.Result {
	r := s.resources[op.Resource]
	if r == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no resource %q", op.Resource)
	}
	if bad := r.Fence(op.Epoch, at.Node); bad != nil {
		return bad
	}
	t := r.Timings
	if op.ConnectedMs != 0 {
		t.ConnectedMs = op.ConnectedMs
	}
	if op.FirstDataMs != 0 {
		t.FirstDataMs = op.FirstDataMs
	}
	if t == r.Timings {
		return r.About(command.Already())
	}
	r.Timings = t
	s.rev.Resources++
	s.note(at, &Note{Kind: NoteActivated, Resource: r.ID, Epoch: r.Epoch, To: r.Owner, Reason: r.Reason, Timings: t})
	return r.About(command.Done())
}

// begin starts a new epoch of a resource. It is the only place where an epoch changes: what the former owner had under
// way ends here, and virtual points follow in the same step.
func (s *State) begin(at command.Stamp, r *Resource, owner, reason string, t Timings) {
	from := r.Owner
	r.Owner, r.Target = owner, ""
	r.Phase = Owned
	if owner == "" {
		r.Phase = Unowned
	}
	r.Epoch++
	r.SinceMs, r.Reason, r.Timings = at.Ms, command.Clip(reason), t
	r.LastBatch = 0
	s.rev.Resources++
	s.virtual.touch(r.ID)
	s.note(at, &Note{Kind: NoteOwner, Resource: r.ID, Epoch: r.Epoch, From: from, To: owner, Reason: r.Reason, Timings: t})
	if owner != "" && r.Kind == ResourceExport {
		s.exports.Begin(r.ID, r.Epoch)
	}
	for _, n := range s.behind(r) {
		s.controls.OwnerChanged(at, n)
	}
}
