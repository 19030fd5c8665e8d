package server

import (
	"net/http"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/access"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/api/server/words"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// Types that a value by hand is of, where the device has not told of the point and its table names none.
const (
	typeOfDI = 30 // M_SP_TB_1
	typeOfAI = 36 // M_ME_TF_1
)

func (s *Server) blockPoint(w http.ResponseWriter, r *http.Request) error {
	return s.overridePoint(w, r, fsmpb.Override_BLOCK)
}

func (s *Server) substitutePoint(w http.ResponseWriter, r *http.Request) error {
	return s.overridePoint(w, r, fsmpb.Override_SUBSTITUTE)
}

func (s *Server) releasePoint(w http.ResponseWriter, r *http.Request) error {
	return s.overridePoint(w, r, fsmpb.Override_RELEASE)
}

// overridePoint answers with the point as it is then.
func (s *Server) overridePoint(w http.ResponseWriter, r *http.Request, mode fsmpb.Override_Mode) error {
	k, err := parsePointKey(r.PathValue("rtu") + "/" + r.PathValue("kind") + "/" + r.PathValue("point"))
	if err != nil {
		return err
	}
	var req api.OverrideRequest
	if err := rest.Decode(r, &req); err != nil {
		return err
	}
	op := &fsmpb.Override{Rtu: k.RTU, Kind: k.Kind.Proto(), Point: k.Point, Mode: mode, Reason: req.Reason, Origin: access.OriginOf(r)}
	switch {
	case mode == fsmpb.Override_SUBSTITUTE:
		if err := s.readSubstitute(k, &req, op); err != nil {
			return err
		}
	case req.State != "" || req.Value != nil:
		return rest.Invalid("expected neither state nor value: they are for a substitute")
	}
	if err := rest.Propose(r.Context(), s.cfg.Node, &fsmpb.Command{Op: &fsmpb.Command_Override{Override: op}}); err != nil {
		return err
	}
	row, _ := s.findPoint(k)
	return s.json.Reply(w, s.point(row))
}

// readSubstitute reads the value that a point is to have, of the type that it has.
func (s *Server) readSubstitute(k fsm.PointKey, req *api.OverrideRequest, op *fsmpb.Override) error {
	if (req.State != "") == (req.Value != nil) {
		return rest.Invalid("expected either state or value")
	}
	info, known := s.cfg.Describe(k)
	row, told := s.findPoint(k)
	switch {
	case told:
		op.Type = uint32(row.value.Type)
	case !known:
		return rest.NotFound("no point %v in this node's configuration", k)
	case info.Type != 0:
		op.Type = uint32(info.Type)
	case k.Kind == fsm.DI:
		op.Type = typeOfDI
	default:
		op.Type = typeOfAI
	}
	if req.Value != nil {
		op.Value = *req.Value
	} else {
		v, err := api.ParseState(uint8(op.Type), req.State)
		if err != nil {
			return rest.Invalid("%v: %v", k, err)
		}
		op.Value = float64(v)
	}
	if err := api.CheckValue(uint8(op.Type), op.Value); err != nil {
		return rest.Invalid("%v: %v", k, err)
	}
	return nil
}

func describeOverride(o *fsm.Override) *api.Override {
	if o == nil {
		return nil
	}
	out := &api.Override{Mode: o.Mode.String(), Reason: o.Reason, By: o.Origin, SinceMs: o.SinceMs, Answered: o.Answered}
	if d := &o.Device; o.Answered {
		out.DeviceValue, out.DeviceQuality, out.DeviceTimeMs, out.DeviceToldTimes = api.Value(d.Value), d.Quality, d.TimeMs, o.Changes
		out.DeviceText, out.DeviceTextZH = words.Point(d)
	}
	return out
}
