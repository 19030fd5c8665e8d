package server

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/access"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

const maxConditionHistory = 500

func (s *Server) listConditions(w http.ResponseWriter, r *http.Request) error {
	if err := rest.CheckQuery(r); err != nil {
		return err
	}
	var list []api.Condition
	info := s.cfg.Node.Info()
	s.cfg.Node.View(func(state *fsm.State) { list = s.conditions(state, info) })
	return s.json.Reply(w, api.Conditions{Node: info.ID, Quorum: info.Quorum, Known: info.Quorum && s.cfg.Settled(), Conditions: list})
}

func (s *Server) listGoneConditions(w http.ResponseWriter, r *http.Request) error {
	if err := rest.CheckQuery(r, "limit"); err != nil {
		return err
	}
	limit, err := rest.QueryNumber(r, "limit", 100, maxConditionHistory)
	if err != nil {
		return err
	}
	info := s.cfg.Node.Info()
	list := []api.Condition{}
	s.cfg.Node.View(func(state *fsm.State) {
		for _, c := range state.GoneConditions(int(limit)) {
			row := describeCondition(&c.Condition, c.Foremost())
			row.UntilMs = c.UntilMs
			list = append(list, row)
		}
	})
	return s.json.Reply(w, api.Conditions{Node: info.ID, Quorum: info.Quorum, Known: info.Quorum && s.cfg.Settled(), Conditions: list})
}

// ackCondition notes that the caller has taken note of a condition.
func (s *Server) ackCondition(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	known := false
	s.cfg.Node.View(func(state *fsm.State) { _, known = state.Condition(id) })
	if !known {
		return rest.NotFound("there is no condition %q just now", id)
	}
	ack := &fsmpb.Command{Op: &fsmpb.Command_ConditionAck{ConditionAck: &fsmpb.ConditionAck{Id: id, Origin: access.OriginOf(r)}}}
	if err := rest.Propose(r.Context(), s.cfg.Node, ack); err != nil {
		return err
	}
	var out api.Condition
	s.cfg.Node.View(func(state *fsm.State) {
		if c, ok := state.Condition(id); ok {
			out = describeCondition(&c, c.Foremost())
		}
	})
	return s.json.Reply(w, out)
}

// conditions are all that are known here: those of the state, and those that this node knows by itself and could not have
// committed yet.
func (s *Server) conditions(state *fsm.State, info replica.Info) []api.Condition {
	list := []api.Condition{}
	told := map[string]bool{}
	for _, c := range state.Conditions() {
		list = append(list, knownCondition(state, &c, info.Quorum))
		told[c.ID] = true
	}
	for _, r := range s.cfg.Holding() {
		if !told[r.ID()] && (r.Kind.Scope == condition.Local || !info.Quorum) {
			list = append(list, ownCondition(r, info.ID))
		}
	}
	slices.SortFunc(list, compareConditions)
	return list
}

// compareConditions puts what somebody has to see first: alarms, of these what nobody has acknowledged, of these the newest.
func compareConditions(a, b api.Condition) int {
	worse := func(c api.Condition) int {
		n := 0
		if c.Severity == api.SeverityAlarm {
			n -= 2
		}
		if c.AcknowledgedBy == "" {
			n--
		}
		return n
	}
	return cmp.Or(cmp.Compare(worse(a), worse(b)), cmp.Compare(b.SinceMs, a.SinceMs), cmp.Compare(a.ID, b.ID))
}

// knownCondition is a condition of the state as its best report says: one that still holds rather than one that isn't known
// to.
func knownCondition(state *fsm.State, c *fsm.Condition, quorum bool) api.Condition {
	best := c.Foremost()
	holds := state.ConditionHolds(c, best)
	for i := range c.Reports {
		if r := &c.Reports[i]; !holds && state.ConditionHolds(c, r) {
			best, holds = r, true
		}
	}
	out := describeCondition(c, best)
	if !holds || !quorum {
		out.Stale = true
		addWords(&out, condition.Unknown(best.Node))
	}
	return out
}

func describeCondition(c *fsm.Condition, r *fsm.ConditionReport) api.Condition {
	text, advice := condition.Say(c.Kind, r.Values, r.Count)
	return api.Condition{
		ID: c.ID, Kind: c.Kind, Severity: c.Severity.String(), Resource: c.Resource, Node: r.Node, SinceMs: c.SinceMs,
		Text: text.EN, Advice: advice.EN, TextZH: text.ZH, AdviceZH: advice.ZH, Docs: condition.Docs(c.Kind),
		Count: r.Count, AcknowledgedBy: c.AcknowledgedBy, AcknowledgedMs: c.AcknowledgedMs,
	}
}

// ownCondition is a condition that this node alone knows.
func ownCondition(r condition.Holding, self string) api.Condition {
	text, advice := condition.Say(r.Kind.Name, r.Values, r.Count)
	out := api.Condition{
		ID: r.ID(), Kind: r.Kind.Name, Severity: r.Severity.String(), Resource: r.Resource, Node: self, SinceMs: r.Since.UnixMilli(),
		Text: text.EN, Advice: advice.EN, TextZH: text.ZH, AdviceZH: advice.ZH, Docs: condition.Docs(r.Kind.Name), Count: r.Count,
	}
	if r.Kind.Scope != condition.Local {
		addWords(&out, condition.Untold(self))
	}
	return out
}

func addWords(c *api.Condition, w condition.Words) {
	c.Text += " (" + w.EN + ")"
	c.TextZH += "（" + w.ZH + "）"
}
