package watch

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/replica"
)

// station is the resource of what concerns all of it.
const station = "station"

// retentionWarning is the part of the retention, in percent, from which on a backlog is reported.
const retentionWarning = 80

// judgement gathers what the leader finds wrong.
type judgement struct {
	info   replica.Info
	state  *fsm.State
	config *configs.Station
	found  []condition.Report
}

// judge is what is wrong with the group, the RTUs and the uplinks as the leader sees them, however short a time it has been so.
func judge(info replica.Info, s *fsm.State, cfg *configs.Station, build string) []condition.Report {
	j := &judgement{info: info, state: s, config: cfg}
	j.nodes(build)
	for _, r := range s.RTUs() {
		j.rtu(r)
	}
	for _, g := range s.Groups() {
		j.uplink(g)
	}
	for _, e := range s.Exports() {
		j.export(e)
	}
	for _, o := range s.Overrides() {
		j.override(&o)
	}
	return j.found
}

// override finds a point that an operator has blocked or given a value.
func (j *judgement) override(o *fsm.Override) {
	kind := condition.Blocked
	if o.Mode == fsm.Substituted {
		kind = condition.Substituted
	}
	what := o.Key.String()
	if name := j.nameOf(o.Key); name != "" {
		what += " " + name
	}
	j.find(kind, "point/"+o.Key.String(), what, o.Origin, o.Reason)
}

func (j *judgement) nameOf(k fsm.PointKey) string {
	r, ok := j.config.RTU(k.RTU)
	if !ok {
		return ""
	}
	for i := range r.Points {
		if p := &r.Points[i]; p.Kind == k.Kind && p.Number == k.Point {
			return p.Name
		}
	}
	return ""
}

func (j *judgement) find(k *condition.Kind, resource string, values ...any) {
	j.found = append(j.found, condition.Report{Kind: k, Resource: resource, Values: condition.Values(values...)})
}

func (j *judgement) nodes(build string) {
	j.clocks()
	alive, voters := 0, 0
	for _, p := range j.info.Peers {
		about := "node/" + p.ID
		if p.Voter {
			voters++
		}
		known, _ := j.state.Node(p.ID)
		if known.Maintenance {
			j.find(condition.Maintenance, about)
		}
		if !p.Alive {
			if known.Stopping {
				j.find(condition.Stopped, about)
			} else {
				j.find(condition.NodeDead, about)
			}
			continue
		}
		if p.Voter {
			alive++
		}
		if p.Role == replica.RoleFEP && !p.Lease {
			j.find(condition.NoLease, about)
		}
		if p.ConfigDiffers {
			j.find(condition.OtherConfiguration, about)
		}
		if p.Build != "" && p.Build != build {
			j.find(condition.OtherBuild, about, p.Build, build)
		}
	}
	if alive < voters && alive-1 < voters/2+1 {
		j.find(condition.QuorumRisk, station, alive, voters)
	}
}

// clockOff is from which difference on two nodes' clocks are told apart: time tags of one event that two FEPs give, and the
// controls' deadlines, mean something only while it's less.
const clockOff = 100 * time.Millisecond

// clocks finds nodes whose clock differs from the leader's. If all others differ alike, the leader's is the one that's told.
func (j *judgement) clocks() {
	var off []replica.Peer
	known := 0
	for _, p := range j.info.Peers {
		if !p.Alive || !p.ClockKnown || p.ID == j.info.ID {
			continue
		}
		if known++; p.ClockOffset.Abs()-p.ClockError > clockOff {
			off = append(off, p)
		}
	}
	if known >= 2 && len(off) == known && (off[0].ClockOffset-off[1].ClockOffset).Abs() <= clockOff {
		j.find(condition.ClockOff, "node/"+j.info.ID, signed(-off[0].ClockOffset), off[0].ID)
		return
	}
	for _, p := range off {
		j.find(condition.ClockOff, "node/"+p.ID, signed(p.ClockOffset), j.info.ID)
	}
}

// signed shows by how much a clock is ahead, so coarsely that it isn't told anew all the time.
func signed(d time.Duration) string { return fmt.Sprintf("%+.1f s", d.Seconds()) }

// otherFEP is an alive FEP beside this one; empty if there is none.
func (j *judgement) otherFEP(id string) string {
	for _, p := range j.info.Peers {
		if p.Role == replica.RoleFEP && p.Alive && p.ID != id {
			return p.ID
		}
	}
	return ""
}

// rtu finds the worst that is wrong with the way to an RTU: what follows from it is not told too.
func (j *judgement) rtu(r fsm.RTU) {
	about := fsm.RTUResource(r.Number)
	res, _ := j.state.Resource(about)
	switch {
	case res.Owner == "":
		j.find(condition.Unowned, about)
		return
	case !r.Online:
		j.find(condition.Offline, about)
		return
	}
	up := map[string]bool{}
	for _, l := range j.state.Links(r.Number, res.Owner) {
		if l.State.Up() {
			up[fmt.Sprintf("%d:%d", l.Channel, l.Link)] = true
		}
	}
	var down []string
	for c, n := range r.Links {
		for l := range n {
			if name := fmt.Sprintf("%d:%d", c+1, l+1); !up[name] {
				down = append(down, name)
			}
		}
	}
	if len(down) > 0 {
		j.find(condition.LinkDown, about, shortList(down), res.Owner)
	}
	other := j.otherFEP(res.Owner)
	if c, ok := j.config.RTU(r.Number); other == "" || ok && c.StandbyProbe == configs.ProbeOff {
		return // nobody looks from there
	}
	if !slices.ContainsFunc(j.state.Links(r.Number, other), func(l fsm.Link) bool { return l.State.Up() }) {
		j.find(condition.NoReserve, about, other)
	}
}

func (j *judgement) uplink(g fsm.Group) {
	nodes := map[string]bool{}
	started := false
	for _, c := range g.Clients {
		nodes[c.Node] = true
		started = started || c.Started && (g.Mode == fsm.DualActive || c.Role == "main")
	}
	res, _ := j.state.Resource(g.Resource)
	switch {
	case !started:
		j.find(condition.NoClient, g.Resource)
	case g.Mode != fsm.Exclusive && len(nodes) == 1 && j.otherFEP(res.Owner) != "":
		for only := range nodes {
			j.find(condition.OneLink, g.Resource, only)
		}
	}
	if retain := j.state.Config().GetRetain(); g.Backlog*100 > retain*retentionWarning {
		j.find(condition.Retention, g.Resource, g.Backlog, retain)
	}
	if g.Overflow {
		j.found = append(j.found, condition.Report{Kind: condition.Dropped, Resource: g.Resource, Count: g.Dropped})
	}
}

func (j *judgement) export(e fsm.Export) {
	if e.Paused {
		j.find(condition.ExportPaused, e.Resource, e.Backlog)
	}
	if e.LostTo > e.Cursor {
		j.found = append(j.found, condition.Report{Kind: condition.ExportDropped, Resource: e.Resource, Count: e.Dropped})
	}
	var why []string
	for _, node := range slices.Sorted(maps.Keys(e.Reach)) {
		if r := e.Reach[node]; r.OK {
			return
		} else if r.Reason != "" {
			why = append(why, node+": "+r.Reason)
		}
	}
	if len(why) > 0 {
		j.find(condition.ExportUnreachable, e.Resource, strings.Join(why, "; "))
	}
}

// Unforwarded finds points that no control centre gets.
func Unforwarded(cfg *configs.Station) (found []condition.Report) {
	for _, of := range cfg.Unforwarded() {
		found = append(found, condition.Report{
			Kind: condition.NoUplink, Resource: fsm.RTUResource(of.RTU), Values: condition.Values(of.Points, of.Example),
		})
	}
	return found
}

// shortList names the first few.
func shortList(of []string) string {
	const few = 4
	if len(of) <= few {
		return strings.Join(of, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(of[:few], ", "), len(of)-few)
}
