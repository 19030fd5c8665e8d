package fsm

import (
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
	"github.com/fepha/fepha/fsm/internal/exports"
)

// Exports read the journal and the audit on behalf of a target outside, with a cursor each.

// Export returns an export by its resource id.
func (s *State) Export(resource string) (Export, bool) {
	e := s.exports.Get(resource)
	if e == nil {
		return Export{}, false
	}
	return s.publicExport(e), true
}

// Exports returns all exports, by name.
func (s *State) Exports() []Export {
	all := make([]Export, len(s.exports.All()))
	for i, e := range s.exports.All() {
		all[i] = s.publicExport(e)
	}
	return all
}

func (s *State) publicExport(e *exports.Export) Export {
	p := *e
	if p.Events {
		p.Backlog += s.journal.After(p.Cursor)
	}
	if p.Audit {
		p.Backlog += s.audit.CountAfterSeq(p.Cursor)
	}
	return p
}

// ReadExport returns what an export takes of the records after a number, oldest first, at most limit, and whether there is
// more.
func (s *State) ReadExport(e Export, after uint64, limit int) (records []Record, more bool) {
	records = s.recordsAfter(after, limit, e.Events, e.Audit)
	return records, len(records) == limit
}

// exportOf finds the export of a command, or says that there is none.
func (s *State) exportOf(resource string) (*exports.Export, *fsmpb.Result) {
	if e := s.exports.Get(resource); e != nil {
		return e, nil
	}
	return nil, command.Refuse(fsmpb.Result_NOT_FOUND, "there is no export %q", resource)
}

func (s *State) moveExport(at command.Stamp, op *fsmpb.ExportCursor) *fsmpb.Result {
	e, bad := s.exportOf(op.Resource)
	if bad != nil {
		return bad
	}
	r := s.resources[e.Resource]
	if bad := r.Fence(op.Epoch, at.Node); bad != nil {
		return bad
	}
	return r.About(s.exports.Move(e, op, s.journal.Last()))
}

func (s *State) reachExport(at command.Stamp, op *fsmpb.ExportReach) *fsmpb.Result {
	e, bad := s.exportOf(op.Resource)
	if bad != nil {
		return bad
	}
	if bad := s.checkFEP(op.Node); bad != nil {
		return bad
	}
	return s.exports.TakeReach(at, e, op)
}

func (s *State) pauseExport(at command.Stamp, op *fsmpb.ExportPause) *fsmpb.Result {
	e, bad := s.exportOf(op.Resource)
	if bad != nil {
		return bad
	}
	res := s.exports.Pause(e, op.On)
	if res.Code == fsmpb.Result_OK {
		action := "export goes on"
		if op.On {
			action = "export paused"
		}
		s.note(at, &Note{Kind: NoteAction, To: action, Resource: e.Resource, Origin: command.Clip(op.Origin), OK: true})
	}
	return res
}

func (s *State) replayExport(at command.Stamp, op *fsmpb.ExportReplay) *fsmpb.Result {
	e, bad := s.exportOf(op.Resource)
	if bad != nil {
		return bad
	}
	res := s.exports.Replay(e, op.From)
	if res.Code == fsmpb.Result_OK {
		s.note(at, &Note{Kind: NoteAction, To: "export replayed", Resource: e.Resource, Origin: command.Clip(op.Origin), OK: true, Count: s.publicExport(e).Backlog})
	}
	return res
}

func (s *State) configureExports(at command.Stamp, cfg *fsmpb.Configure) {
	added, gone := s.exports.Configure(cfg.Exports, s.journal.Last())
	for _, id := range added {
		s.addResource(at, id, ResourceExport)
	}
	for _, id := range gone {
		s.removeResource(s.resources[id])
	}
}
