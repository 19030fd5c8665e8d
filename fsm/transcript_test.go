package fsm

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fepha/fepha/fsm/internal/condition"
	"github.com/fepha/fepha/internal/transcript"
)

// TestTranscripts plays testdata/*.txt. What may be done is a line of a script (script_test.go), or
//
//	at SECONDS                 sets the clock
//	show WHAT...               resources | journal [AFTER] | image [RTU] | controls | groups | virtual | links | nodes | conditions | access | exports | versions
//	restart                    goes on with the state as restored from a snapshot
//
// What is seen of a command is its result, and the events and entries of the audit that it brought about.
func TestTranscripts(t *testing.T) {
	transcript.Play(t, "testdata/*.txt", func(t *testing.T) func(string) (string, error) {
		x := newScripted(t)
		return func(line string) (string, error) { return x.act(line), nil }
	})
}

func (x *scripted) act(line string) string {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "at":
		s, err := strconv.ParseFloat(rest, 64)
		if err != nil {
			x.t.Fatalf("%s: %v", line, err)
		}
		x.ms = int64(s * 1000)
		return ""
	case "show":
		return x.show(strings.Fields(rest))
	case "restart":
		var b bytes.Buffer
		if _, err := x.s.Snapshot().WriteTo(&b); err != nil {
			x.t.Fatal(err)
		}
		s, err := Restore(&b)
		if err != nil {
			x.t.Fatal(err)
		}
		x.s = s
		return "restarted\n"
	case "station":
		line = testStation
	}
	before := x.s.JournalLast()
	r := x.do(line)
	var b strings.Builder
	b.WriteString(r.Code.String())
	if r.Epoch > 0 {
		fmt.Fprintf(&b, ", epoch %d of %s", r.Epoch, somebody(r.Owner))
	}
	if r.Message != "" {
		fmt.Fprintf(&b, " (%s)", r.Message)
	}
	b.WriteString("\n")
	x.writeEvents(&b, before)
	return b.String()
}

func somebody(node string) string {
	if node == "" {
		return "nobody"
	}
	return node
}

func (x *scripted) writeEvents(b *strings.Builder, after uint64) {
	for _, r := range x.s.ReadHistory(after, int(x.s.JournalLast())) {
		fmt.Fprintf(b, "  %d %s\n", r.Seq, describe(r))
	}
}

func describe(r Record) string {
	if r.Audit == nil {
		e := r.Event
		return fmt.Sprintf("%s = %g, quality %02x, type %d, at %s", e.Key(), e.Value, e.Quality, e.Type, seconds(e.TimeMs))
	}
	e, n := r.Audit, &r.Audit.Note
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", n.Kind, n.Resource)
	switch n.Kind {
	case NoteOwner, NoteMoving:
		fmt.Fprintf(&b, ": %s -> %s, epoch %d", somebody(n.From), somebody(n.To), n.Epoch)
	case NoteActivated:
		fmt.Fprintf(&b, " on %s, epoch %d", n.To, n.Epoch)
	case NotePin:
		fmt.Fprintf(&b, ": %s -> %s", somebody(n.From), somebody(n.To))
	case NoteNode:
		fmt.Fprintf(&b, " alive %t", n.OK)
	case NoteOnline:
		fmt.Fprintf(&b, " on line %t", n.OK)
	case NoteControl:
		fmt.Fprintf(&b, " %s = %g, %q of %s: %s", e.Point, e.Value, n.Control, n.Origin, n.Stage)
		if n.Stage == Done {
			fmt.Fprintf(&b, ", ok %t", n.OK)
		}
		if n.To != "" {
			fmt.Fprintf(&b, ", by %s in epoch %d", n.To, n.Epoch)
		}
	case NoteOverride:
		fmt.Fprintf(&b, "%s = %g, %s by %s", e.Point, e.Value, n.To, n.Origin)
	case NoteAccess:
		fmt.Fprintf(&b, " by %s", n.Origin)
	case NoteRefused:
		fmt.Fprintf(&b, ": %d of %s to %s", n.Count, n.To, n.Origin)
	case NoteAction:
		fmt.Fprintf(&b, ": %s by %s", n.To, n.Origin)
	case NoteOverflow:
		fmt.Fprintf(&b, " slot %q, %d lost so far, caught up %t", n.To, n.Count, n.OK)
	}
	if c := n.Condition; c != nil {
		fmt.Fprintf(&b, " %s: %s %s, by %s, count %d, values %q", c.ID, c.Severity,
			[]string{ConditionCame: "came", ConditionGone: "has gone", ConditionChanged: "changed", ConditionAcknowledged: "acknowledged by " + n.Origin}[c.Change],
			n.From, n.Count, c.Values)
	}
	if n.Reason != "" {
		fmt.Fprintf(&b, " (%s)", n.Reason)
	}
	if n.Timings != (Timings{}) {
		t := n.Timings
		fmt.Fprintf(&b, " [detected %d, elected %d, leased %d, connected %d, data %d ms]", t.DetectedMs, t.ElectedMs, t.LeasedMs, t.ConnectedMs, t.FirstDataMs)
	}
	return b.String()
}

func (x *scripted) show(what []string) string {
	var b strings.Builder
	s := x.s
	for i, w := range what {
		switch w {
		case "resources":
			for _, r := range s.Resources() {
				fmt.Fprintf(&b, "%s: %s, epoch %d of %s since %s", r.ID, r.Phase, r.Epoch, somebody(r.Owner), seconds(r.SinceMs))
				if r.Target != "" {
					fmt.Fprintf(&b, ", to %s", r.Target)
				}
				if r.Reason != "" {
					fmt.Fprintf(&b, " (%s)", r.Reason)
				}
				if r.Pin != "" {
					fmt.Fprintf(&b, ", pinned to %s", r.Pin)
				}
				if r.LastBatch != 0 {
					fmt.Fprintf(&b, ", last batch %d", r.LastBatch)
				}
				b.WriteString("\n")
			}
		case "journal":
			after := uint64(0)
			if i+1 < len(what) {
				after, _ = strconv.ParseUint(what[i+1], 10, 64)
			}
			fmt.Fprintf(&b, "journal %d to %d\n", s.JournalFirst(), s.JournalLast())
			x.writeEvents(&b, after)
			return b.String()
		case "image":
			for _, rtu := range s.PointRTUs() {
				if i+1 < len(what) && what[i+1] != strconv.Itoa(int(rtu)) {
					continue
				}
				for k, p := range s.Points(rtu) {
					fmt.Fprintf(&b, "%s = %g, quality %02x, type %d, at %s, event %d", k, p.Value, p.Quality, p.Type, seconds(p.TimeMs), p.Seq)
					if p.AsValue {
						b.WriteString(", told as a value")
					}
					b.WriteByte('\n')
				}
			}
			return b.String()
		case "checks":
			for _, rtu := range s.CheckedRTUs() {
				k, _ := s.PointCheck(rtu)
				fmt.Fprintf(&b, "RTU %d by %s since %s, ended %s, acknowledged by %s\n", k.RTU, k.Origin, seconds(k.StartedMs), seconds(k.EndedMs), somebody(k.Resource))
				for _, i := range k.Items {
					fmt.Fprintf(&b, "  %s/%d done %t", Kind(i.Kind), i.Point, i.Done())
					for _, x := range i.Seen {
						fmt.Fprintf(&b, ", %g in event %d acknowledged %s%s", x.Value, x.Seq, seconds(x.AckedMs), x.Origin)
					}
					if i.By != "" {
						fmt.Fprintf(&b, ", %s at %s: ok %t, %s", i.By, seconds(i.ByMs), i.OK, i.Remark)
					}
					b.WriteString("\n")
				}
			}
		case "overrides":
			for _, o := range s.Overrides() {
				fmt.Fprintf(&b, "%s %s by %s since %s (%s); device: ", o.Key, o.Mode, o.Origin, seconds(o.SinceMs), o.Reason)
				if !o.Answered {
					b.WriteString("never\n")
					continue
				}
				fmt.Fprintf(&b, "%g, quality %02x, at %s, %d times\n", o.Device.Value, o.Device.Quality, seconds(o.Device.TimeMs), o.Changes)
			}
		case "exports":
			for _, e := range s.Exports() {
				fmt.Fprintf(&b, "%s: at %d of %d, %d to come, %d dropped, %d replays", e.Resource, e.Cursor, e.High, e.Backlog, e.Dropped, e.Replays)
				if e.Paused {
					b.WriteString(", paused")
				}
				for _, node := range slices.Sorted(maps.Keys(e.Reach)) {
					fmt.Fprintf(&b, ", %s: %t %s since %s", node, e.Reach[node].OK, e.Reach[node].Reason, seconds(e.Reach[node].SinceMs))
				}
				fmt.Fprintf(&b, ", began %v\n", e.Spans)
			}
		case "frozen":
			for _, k := range slices.SortedFunc(maps.Keys(s.FrozenCounters(what[i+1])), func(a, b PointKey) int { return cmp.Compare(a.Point, b.Point) }) {
				p := s.FrozenCounters(what[i+1])[k]
				fmt.Fprintf(&b, "%s = %g, quality %02x, at %s\n", k, p.Value, p.Quality, seconds(p.TimeMs))
			}
			return b.String()
		case "strays":
			for _, u := range s.RTUs() {
				kept, total := s.Strays(u.Number, maxStrays)
				fmt.Fprintf(&b, "RTU %d: %d strays\n", u.Number, total)
				for _, x := range kept {
					fmt.Fprintf(&b, "  %d at %s: %s: %q\n", x.Number, seconds(x.TimeMs), x.Reason, x.ASDU)
				}
			}
		case "controls":
			for _, c := range s.Controls() {
				fmt.Fprintf(&b, "%s: %s %s/%d = %g for RTU %d: %s", c.ID, c.Phase, c.Kind, c.Point, c.Value, c.RTU, c.Stage)
				if c.Stage == Done {
					fmt.Fprintf(&b, ", ok %t", c.OK)
				}
				if c.ConfirmedMs != 0 {
					fmt.Fprintf(&b, ", confirmed at %s", seconds(c.ConfirmedMs))
				}
				if c.Phase == Select && c.Used {
					b.WriteString(", used")
				}
				if c.Reason != "" {
					fmt.Fprintf(&b, " (%s)", c.Reason)
				}
				b.WriteString("\n")
			}
		case "groups":
			for _, g := range s.Groups() {
				fmt.Fprintf(&b, "%s (%s): cursor %d, backlog %d, dropped %d, overflow %t\n", g.Resource, g.Mode, g.Cursor, g.Backlog, g.Dropped, g.Overflow)
				for _, c := range g.Slots {
					if c.Name != "" {
						fmt.Fprintf(&b, "  slot %s: cursor %d, dropped %d, overflow %t\n", c.Name, c.Seq, c.Dropped, c.Overflow)
					}
				}
				for _, c := range g.Clients {
					fmt.Fprintf(&b, "  %s on %s: %s, started %t\n", c.Address, c.Node, c.Role, c.Started)
				}
			}
		case "virtual":
			for _, v := range s.VirtualPoints() {
				fmt.Fprintf(&b, "%d/%d %s: a %g, b %g, val %g since %s\n", v.RTU, v.Point, v.Source, number(v.ValA), number(v.ValB), number(v.Val), seconds(v.TimeMs))
			}
		case "links":
			for _, u := range s.RTUs() {
				for _, n := range s.Nodes() {
					for _, l := range s.Links(u.Number, n.ID) {
						fmt.Fprintf(&b, "rtu/%d on %s: channel %d link %d %s\n", u.Number, n.ID, l.Channel, l.Link, l.State)
					}
				}
			}
		case "nodes":
			for _, n := range s.Nodes() {
				fmt.Fprintf(&b, "%s: host %d, %s, alive %t, lease %t\n", n.ID, n.Host, n.Role, n.Alive, n.Lease)
			}
		case "conditions":
			for _, c := range s.Conditions() {
				b.WriteString(conditionLine(s, c) + "\n")
			}
			for _, c := range s.GoneConditions(condition.MaxGone) {
				fmt.Fprintf(&b, "gone at %s: %s\n", seconds(c.UntilMs), conditionLine(s, c.Condition))
			}
		case "access":
			for _, u := range s.Access().Users() {
				fmt.Fprintf(&b, "user %s: %s, ends %s, last login %s, revision %d\n", u.Name, u.Role, seconds(u.ExpiresMs), seconds(u.UsedMs), u.Revision)
			}
			for _, k := range s.Access().Tokens() {
				fmt.Fprintf(&b, "token %s: %s, ends %s, last used %s\n", k.Name, k.Role, seconds(k.ExpiresMs), seconds(k.UsedMs))
			}
			for _, k := range s.Access().Sessions() {
				fmt.Fprintf(&b, "session of %s from %s, last used %s\n", k.User, k.Address, seconds(k.UsedMs))
			}
			if f, ok := s.Access().FirstAdmin(); ok {
				fmt.Fprintf(&b, "first admin's token: ends %s, spent %t\n", seconds(f.ExpiresMs), f.Spent)
			}
			for _, r := range s.Access().Revocations() {
				fmt.Fprintf(&b, "revoked %s%s at %s\n", r.Name, r.Serial, seconds(r.AtMs))
			}
		case "versions":
			fmt.Fprintf(&b, "level %d, stage %d\n", x.s.Level(), x.s.ConfigStage())
			for _, v := range x.s.Versions() {
				fmt.Fprintf(&b, "%d: %s at %s by %s for %q, changes %q, files %q\n", v.Number, v.Digest, seconds(v.AtMs), v.Node, v.Origin, v.Changes, v.Files)
			}
		default:
			x.t.Fatalf("show %s: no such thing", w)
		}
	}
	return b.String()
}

func conditionLine(s *State, c Condition) string {
	line := fmt.Sprintf("%s: %s since %s", c.ID, c.Severity, seconds(c.SinceMs))
	if c.AcknowledgedBy != "" {
		line += fmt.Sprintf(", acknowledged by %s at %s", c.AcknowledgedBy, seconds(c.AcknowledgedMs))
	}
	for _, r := range c.Reports {
		line += fmt.Sprintf("; %s: %s, count %d, values %q", r.Node, r.Severity, r.Count, r.Values)
		if !s.ConditionHolds(&c, &r) {
			line += ", not known any more"
		}
	}
	return line
}
