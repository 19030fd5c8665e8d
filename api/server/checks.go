package server

import (
	"io"
	"net/http"
	"strings"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/access"
	"github.com/fepha/fepha/api/server/internal/pointlist"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/api/server/words"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// This file is the check of points, with which a station is commissioned: see docs/COMMISSIONING.md.

const maxPointList = 8 << 20 // octets of a control centre's list

func (s *Server) listChecks(w http.ResponseWriter, r *http.Request) error {
	if err := rest.CheckQuery(r); err != nil {
		return err
	}
	var all []fsm.PointCheck
	s.cfg.Node.View(func(state *fsm.State) {
		for _, rtu := range state.CheckedRTUs() {
			k, _ := state.PointCheck(rtu)
			all = append(all, k)
		}
	})
	list := []api.Check{}
	for i := range all {
		k := s.check(&all[i])
		k.Items = nil
		list = append(list, k)
	}
	return s.json.Reply(w, list)
}

func (s *Server) showCheck(w http.ResponseWriter, r *http.Request) error {
	number, err := rest.PathNumber(r, "number", "RTU")
	if err != nil {
		return err
	}
	return s.replyCheck(w, number)
}

func (s *Server) replyCheck(w http.ResponseWriter, rtu uint32) error {
	var k fsm.PointCheck
	var ok bool
	s.cfg.Node.View(func(state *fsm.State) { k, ok = state.PointCheck(rtu) })
	if !ok {
		return rest.NotFound("there is no check of RTU %d", rtu)
	}
	return s.json.Reply(w, s.check(&k))
}

// startCheck begins a check of all that the RTU's table has.
func (s *Server) startCheck(w http.ResponseWriter, r *http.Request) error {
	number, err := rest.PathNumber(r, "number", "RTU")
	if err != nil {
		return err
	}
	var req api.CheckStart
	if err := rest.Decode(r, &req); err != nil {
		return err
	}
	op := &fsmpb.CheckStart{Rtu: number, Anew: req.Anew, Origin: access.OriginOf(r)}
	uplink := ""
	if op.Resource, uplink, err = s.checkedGroup(&req); err != nil {
		return err
	}
	for _, k := range append(s.cfg.Table(number), s.cfg.Controls(number)...) {
		op.Points = append(op.Points, &fsmpb.CheckStart_Point{
			Kind: k.Kind.Proto(), Point: k.Point, Forwarded: uplink != "" && !k.Kind.IsControl() && s.addressAt(uplink, k) != 0,
		})
	}
	if err := rest.Propose(r.Context(), s.cfg.Node, &fsmpb.Command{Op: &fsmpb.Command_CheckStart{CheckStart: op}}); err != nil {
		return err
	}
	return s.replyCheck(w, number)
}

// checkedGroup is the group whose acknowledgement is to count.
func (s *Server) checkedGroup(req *api.CheckStart) (resource, uplink string, err error) {
	if req.Uplink != "" || req.Group != "" {
		return fsm.UplinkResource(req.Uplink, req.Group), req.Uplink, nil
	}
	var groups []fsm.Group
	s.cfg.Node.View(func(state *fsm.State) { groups = state.Groups() })
	switch len(groups) {
	case 0:
		return "", "", nil
	case 1:
		return groups[0].Resource, groups[0].Uplink, nil
	}
	var names []string
	for _, g := range groups {
		names = append(names, g.Uplink+"/"+g.Name)
	}
	return "", "", rest.Invalid("uplink and group: expected one of %s, whose acknowledgement counts", strings.Join(names, ", "))
}

// addressAt is where an uplink has a point; 0: nowhere.
func (s *Server) addressAt(uplink string, k fsm.PointKey) uint32 {
	for _, a := range s.cfg.Addresses(k) {
		if a.Uplink == uplink {
			return a.IOA
		}
	}
	return 0
}

func (s *Server) tickPoint(w http.ResponseWriter, r *http.Request) error {
	number, err := rest.PathNumber(r, "number", "RTU")
	if err != nil {
		return err
	}
	var req api.CheckTick
	if err := rest.Decode(r, &req); err != nil {
		return err
	}
	kind, err := fsm.ParseKind(req.Kind)
	if err != nil {
		return rest.Invalid("%v", err)
	}
	tick := &fsmpb.CheckTick{Rtu: number, Kind: kind.Proto(), Point: req.Point, Ok: req.OK, Remark: req.Remark, Clear: req.Clear, Origin: access.OriginOf(r)}
	if err := rest.Propose(r.Context(), s.cfg.Node, &fsmpb.Command{Op: &fsmpb.Command_CheckTick{CheckTick: tick}}); err != nil {
		return err
	}
	return s.replyCheck(w, number)
}

func (s *Server) endCheck(w http.ResponseWriter, r *http.Request) error {
	number, err := rest.PathNumber(r, "number", "RTU")
	if err != nil {
		return err
	}
	var req api.CheckEnd
	if err := rest.Decode(r, &req); err != nil {
		return err
	}
	end := &fsmpb.CheckEnd{Rtu: number, Discard: req.Discard, Origin: access.OriginOf(r)}
	if err := rest.Propose(r.Context(), s.cfg.Node, &fsmpb.Command{Op: &fsmpb.Command_CheckEnd{CheckEnd: end}}); err != nil {
		return err
	}
	return s.json.Reply(w, api.Done{})
}

// check describes a check with all its points.
func (s *Server) check(k *fsm.PointCheck) api.Check {
	_, names, _ := strings.Cut(k.Resource, "/") // uplink/NAME/GROUP
	uplink, group, _ := strings.Cut(names, "/")
	out := api.Check{RTU: k.RTU, Uplink: uplink, Group: group, By: k.Origin, StartedMs: k.StartedMs, EndedMs: k.EndedMs, Points: len(k.Items)}
	s.cfg.Node.View(func(state *fsm.State) {
		if r, ok := state.RTU(k.RTU); ok {
			out.Name = r.Name
		}
	})
	out.Items = make([]api.CheckItem, 0, len(k.Items))
	for i := range k.Items {
		item := s.checkItem(k.RTU, uplink, &k.Items[i])
		switch item.State {
		case api.CheckDone, api.CheckByHand:
			out.Done++
		case api.CheckSeen:
			out.Seen++
		case api.CheckFailed:
			out.Failed++
		}
		out.Items = append(out.Items, item)
	}
	return out
}

func (s *Server) checkItem(rtu uint32, uplink string, i *fsm.CheckItem) api.CheckItem {
	key := fsm.PointKey{RTU: rtu, Kind: fsm.Kind(i.Kind), Point: i.Point}
	info, _ := s.cfg.Describe(key)
	out := api.CheckItem{
		Kind: key.Kind.String(), Point: key.Point, Name: info.Name, Unit: info.Unit, IOA: s.addressAt(uplink, key), State: api.CheckOpen,
		Samples: make([]api.CheckSample, 0, len(i.Seen)), SaidBy: i.By, SaidMs: i.ByMs, Remark: i.Remark,
	}
	switch {
	case i.By != "" && i.OK:
		out.State = api.CheckByHand
	case i.By != "":
		out.State = api.CheckFailed
	case i.Acked():
		out.State = api.CheckDone
	case len(i.Seen) > 0:
		out.State = api.CheckSeen
	}
	for _, x := range i.Seen {
		p := fsm.Point{Value: x.Value, Quality: x.Quality, Type: x.Type}
		sample := api.CheckSample{TimeMs: x.TimeMs, Value: api.Value(x.Value), Seq: x.Seq, AckedMs: x.AckedMs, Origin: x.Origin}
		sample.ValueText, sample.ValueTextZH = words.Value(&p)
		if state := stateOf(key.Kind, x.Value, info); state != "" {
			sample.ValueText, sample.ValueTextZH = words.State(state)
		}
		sample.QualityText, sample.QualityZH = words.Quality(&p)
		out.Samples = append(out.Samples, sample)
	}
	return out
}

// compareList compares a control centre's list of points with an uplink's table.
func (s *Server) compareList(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	here, ok := s.cfg.UplinkTable(name)
	if !ok {
		return rest.NotFound("no uplink %q", name)
	}
	content, err := io.ReadAll(r.Body)
	if err != nil {
		return rest.BodyError(err)
	}
	there, err := pointlist.Read(content)
	if err != nil {
		return rest.Invalid("%v", err)
	}
	for i, own := range there {
		if of := s.cfg.CommonAddresses(name); own.CommonAddress == 0 && len(of) > 0 {
			there[i].CommonAddress = of[0]
		}
	}
	for i := range here {
		info, _ := s.cfg.Describe(here[i].Key)
		if here[i].Name == "" {
			here[i].Name = info.Name
		}
	}
	differences, same := comparePoints(here, there)
	return s.json.Reply(w, api.Comparison{Uplink: name, Here: len(here), There: len(there), Same: same, Differences: differences})
}

// UplinkRow is a point of an uplink's table.
type UplinkRow struct {
	Key           fsm.PointKey
	CommonAddress uint16 // of its sector; 0: not known
	IOA           uint32
	Name          string // "": that of the point
	Type          uint8
}

func comparePoints(here []UplinkRow, there []pointlist.Row) (list []api.ListDifference, same int) {
	ours := make([]pointlist.Row, len(here))
	for i, h := range here {
		ours[i] = pointlist.Row{CommonAddress: h.CommonAddress, IOA: h.IOA, Name: h.Name, Type: h.Type, Key: h.Key.String()}
	}
	differences, same := pointlist.Compare(ours, there)
	list = []api.ListDifference{}
	for _, d := range differences {
		row := api.ListDifference{CommonAddress: d.CommonAddress, IOA: d.IOA, Name: d.Name, Type: d.TypeID}
		if d.Here != nil {
			row.Here = &api.ListPoint{Point: d.Here.Key, Name: d.Here.Name, Type: d.Here.Type}
		}
		if d.There != nil {
			row.There = &api.ListPoint{Line: d.There.Line, Name: d.There.Name, Type: d.There.Type}
		}
		list = append(list, row)
	}
	return list, same
}
