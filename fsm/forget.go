package fsm

import (
	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// forget takes points out of the image that an RTU's table no longer has: else it would hold whatever was ever
// configured. Events of theirs stay in the journal.
func (s *State) forget(at command.Stamp, op *fsmpb.Forget) *fsmpb.Result {
	u := s.rtus[op.Rtu]
	if u == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no RTU %d", op.Rtu)
	}
	r := u.resource
	if bad := fence(r, op.Epoch, at.Node); bad != nil {
		return bad
	}
	gone := make(map[PointKey]bool, len(op.Points))
	for _, p := range op.Points {
		k := PointKey{op.Rtu, Kind(p.GetKind()), p.GetPoint()}
		if _, there := s.image.find(k); there && !s.virtual.isVirtual(k) {
			gone[k] = true
		}
	}
	if len(gone) == 0 {
		return about(r, command.Already())
	}
	for k := range gone {
		delete(u.untold, pointID{k.Kind, k.Point})
		delete(u.overrides, pointID{k.Kind, k.Point})
	}
	s.image.retain(op.Rtu, func(kind Kind, point uint32) bool { return !gone[PointKey{op.Rtu, kind, point}] })
	// For readers it's another configuration: only after one do they look for what is no longer there.
	s.config = proto.CloneOf(s.config)
	s.rev.Config++
	return about(r, command.Done())
}
