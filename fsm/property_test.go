package fsm

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/fepha/fepha/fsm/chantable"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/mailbox"
)

// propertyStation is small enough that the journal overflows soon, and has an owner for all but the FNP endpoint.
func propertyStation(t *testing.T) *scripted {
	return newScripted(t).ok(strings.Replace(testStation, "retain=1000", "retain=40 export=history/all", 1),
		"lead assign rtu/1 epoch=0 owner=fep1", "lead assign rtu/2 epoch=0 owner=fep2", "fep1 claim uplink/occ/main")
}

// drawn makes up lines of a script. What they say is right more often than not, so that much is accepted.
type drawn struct {
	t *rapid.T
	s *State
}

func (d drawn) pick(what string, of ...string) string { return rapid.SampledFrom(of).Draw(d.t, what) }

// mostly is the right number, or seldom the next or the one before.
func (d drawn) mostly(what string, n uint64) uint64 {
	switch rapid.IntRange(0, 19).Draw(d.t, what) {
	case 18:
		return n + 1
	case 19:
		return max(n, 1) - 1
	}
	return n
}

// as is a node to propose something for a resource, mostly its owner, and an epoch, mostly the right one.
func (d drawn) as(resource string) (node string, epoch uint64) {
	r, _ := d.s.Resource(resource)
	node = d.pick("node", "fep1", "fep2")
	if r.Owner != "" && d.pick("as owner", "y", "y", "y", "y", "y", "n") == "y" {
		node = r.Owner
	}
	return node, d.mostly("epoch", r.Epoch)
}

func (d drawn) line() string {
	t := d.t
	resource := d.pick("resource", "rtu/1", "rtu/2", "uplink/occ/main", "uplink/scada/both", "fnp")
	rtu := rapid.SampledFrom([]uint32{1, 2}).Draw(t, "rtu")
	node, epoch := d.as(resource)
	to := d.pick("to", "fep1", "fep2", "fep1", "fep2", "fep1", "fep2", "wit", "")
	switch d.pick("verb", "events", "control", "control", "events", "submit", "control", "cursor", "events", "links", "control", "released",
		"move", "online", "node", "clients", "claim", "pin", "activated", "submit", "events", "links", "cursor", "assign", "configure", "stage", "forget", "backlog-end", "override", "check", "receive", "receive", "report", "report", "gone", "ack", "access", "audit", "export") {
	case "access":
		return d.access()
	case "export":
		id := ExportResource(d.pick("export", "history", "history", "nothing"))
		node, epoch = d.as(id)
		e, _ := d.s.Export(id)
		return d.pick("of an export",
			fmt.Sprintf("%s export-cursor %s epoch=%d seq=%d replays=%d", node, id, epoch, e.Cursor+rapid.Uint64Range(0, 3).Draw(t, "seq"), d.mostly("replays", e.Replays)),
			fmt.Sprintf("%s export-reach %s %s", node, id, d.pick("reach", "yes", "no reason=refused")),
			fmt.Sprintf("%s export-pause %s %s", node, id, d.pick("pause", "yes", "no")),
			fmt.Sprintf("%s export-replay %s from=%d", node, id, rapid.Uint64Range(0, 50).Draw(t, "from")),
			fmt.Sprintf("lead assign %s epoch=%d owner=%s", id, epoch, to))
	case "audit":
		return fmt.Sprintf("%s %s login origin=%s count=%d", node, d.pick("audit", "did", "refuse", "refuse"), d.pick("who", "a", "b"), rapid.IntRange(0, 3).Draw(t, "count"))
	case "report":
		about := d.pick("about", "rtu/1", "rtu/2", "uplink/scada/both", "node/fep1", "station")
		scope := d.pick("scope", "", "leader")
		if rtu, _ := d.s.Resource(about); rtu.ID != "" {
			node, epoch = d.as(about)
			scope = fmt.Sprintf("owner epoch=%d", epoch)
		}
		return fmt.Sprintf("%s report %s %s %s %s count=%d", node, about, d.pick("kind", "a", "b"), d.pick("severity", "alarm", "warning"), scope,
			rapid.IntRange(0, 1).Draw(t, "count"))
	case "gone", "ack":
		ids := []string{"rtu.1.a"}
		for _, c := range d.s.Conditions() {
			ids = append(ids, c.ID)
		}
		id := d.pick("condition", ids...)
		if d.pick("take it back", "y", "n") == "y" {
			return fmt.Sprintf("%s gone %s node=%s", node, id, d.pick("whose", "", "fep1", "fep2"))
		}
		return fmt.Sprintf("%s ack %s origin=anna", node, id)
	case "receive":
		node, epoch = d.as(FNPResource())
		from, session, stream := rapid.Uint64Range(1, 2).Draw(t, "from"), rapid.Uint64Range(1, 2).Draw(t, "session"), rapid.IntRange(0, 1).Draw(t, "stream")
		floor, _ := d.s.Mailbox().Delivered(chantable.ID(from), session, uint8(stream))
		base := max(floor, 1) - 1 + rapid.Uint64Range(0, 2).Draw(t, "base")
		seq := base + rapid.Uint64Range(0, 5).Draw(t, "seq")
		return fmt.Sprintf("%s receive %d/%d/%d/%d epoch=%d base=%d size=%d", node, from, session, stream, seq, epoch, base,
			rapid.SampledFrom([]int{0, 1, 1000, mailbox.MaxMessage, mailbox.MaxMessage + 1}).Draw(t, "size"))
	case "stage":
		return fmt.Sprintf("%s stage expect=%d", node, d.mostly("stage", d.s.ConfigStage()))
	case "forget":
		r, _ := d.s.Resource(RTUResource(rtu))
		node, epoch = d.as(r.ID)
		return fmt.Sprintf("%s forget %d epoch=%d di/%d ai/%d", node, rtu, epoch, rapid.IntRange(1, 100).Draw(t, "di"), rapid.IntRange(1, 100).Draw(t, "ai"))
	case "check":
		switch d.pick("check", "start", "start anew", "tick", "clear", "end", "discard") {
		case "start":
			return fmt.Sprintf("ops check-start %d group=%s di/1 di/%d ai/1! do/1", rtu, d.pick("group", "uplink/occ/main", "uplink/scada/both"), rapid.IntRange(2, 9).Draw(t, "di"))
		case "start anew":
			return fmt.Sprintf("ops check-start %d group=uplink/occ/main anew di/1 di/2", rtu)
		case "tick":
			return fmt.Sprintf("ops check-tick %d di/%d %s remark=x", rtu, rapid.IntRange(1, 3).Draw(t, "di"), d.pick("ok", "ok", "not"))
		case "clear":
			return fmt.Sprintf("ops check-tick %d di/1 clear", rtu)
		case "end":
			return fmt.Sprintf("ops check-end %d", rtu)
		}
		return fmt.Sprintf("ops check-end %d discard", rtu)
	case "override":
		return fmt.Sprintf("ops %s %d %s/%d value=%d type=30 why=x", d.pick("override", "block", "substitute", "release"), rtu,
			d.pick("kind", "di", "ai", "counter"), rapid.IntRange(1, 100).Draw(t, "point"), rapid.IntRange(0, 2).Draw(t, "value"))
	case "backlog-end":
		r, _ := d.s.Resource(RTUResource(rtu))
		node, epoch = d.as(r.ID)
		return fmt.Sprintf("%s backlog-end %d epoch=%d", node, rtu, epoch)
	case "configure":
		return d.pick("configuration", testStation, strings.Replace(testStation, "retain=1000", "retain=40 export=history/all", 1),
			strings.Replace(testStation, "rtu=2/fep2/1", "", 1), strings.Replace(testStation, "retain=1000", "retain=40 retain_for=20", 1), strings.Replace(testStation, "group=scada/both/dual-active", "", 1),
			strings.Replace(testStation, "main-standby", "dual-active", 1))
	case "assign":
		return fmt.Sprintf("lead assign %s epoch=%d owner=%s", resource, epoch, to)
	case "move":
		return fmt.Sprintf("lead move %s epoch=%d to=%s", resource, epoch, to)
	case "released":
		for _, r := range d.s.Resources() {
			if r.Phase == Releasing {
				node, epoch = d.as(r.ID)
				resource = r.ID
			}
		}
		return fmt.Sprintf("%s released %s epoch=%d", node, resource, epoch)
	case "claim":
		return fmt.Sprintf("%s claim %s client=x", node, d.pick("group", "uplink/occ/main", "uplink/scada/both", resource))
	case "pin":
		return fmt.Sprintf("ops pin %s to=%s", resource, to)
	case "activated":
		return fmt.Sprintf("%s activated %s epoch=%d data=%d", node, resource, epoch, rapid.IntRange(0, 3).Draw(t, "ms"))
	case "events":
		r, _ := d.s.Resource(RTUResource(rtu))
		node, epoch = d.as(r.ID)
		line := fmt.Sprintf("%s events %d epoch=%d batch=%d", node, rtu, epoch, d.mostly("batch", r.LastBatch+1))
		for range rapid.IntRange(0, 12).Draw(t, "items") {
			line += fmt.Sprintf(" %s%s/%d=%d", d.pick("mode", "event:", "compare:", "image:", "interrogated:", "overtaken:"), d.pick("kind", "di", "di", "ai", "counter"),
				rapid.IntRange(1, 100).Draw(t, "point"), rapid.IntRange(0, 2).Draw(t, "value"))
			line += d.pick("and", "", "", ";transient", ";t38;e500")
		}
		for range rapid.IntRange(0, 2).Draw(t, "strays") {
			line += " stray:too_short=" + d.pick("ASDU", "a", "bcd")
		}
		return line
	case "online":
		return fmt.Sprintf("%s online %d %s", node, rtu, d.pick("online", "yes", "no"))
	case "links":
		line := fmt.Sprintf("%s links %d", node, rtu)
		for i := range rapid.IntRange(0, 2).Draw(t, "links") {
			line += fmt.Sprintf(" %d.%d=%s", i+1, 2*i+1, d.pick("state", "down", "connecting", "standby", "active"))
		}
		return line
	case "node":
		return fmt.Sprintf("lead node %s %s", node, d.pick("alive", "alive", "dead", "alive lease"))
	case "clients":
		return fmt.Sprintf("%s clients %s %s", node, d.pick("group", "uplink/occ/main", "uplink/scada/both"), d.pick("clients", "", "a=main", "a=main?+1", "a=standby+2 b=held", "b=waiting"))
	case "cursor":
		group := d.pick("group", "uplink/occ/main", "uplink/scada/both")
		node, epoch = d.as(group)
		slot := ""
		if g, _ := d.s.Group(group); g.Mode == DualActive {
			slot = node
		}
		first, last := d.s.JournalFirst(), d.s.JournalLast()
		return fmt.Sprintf("%s cursor %s slot=%s epoch=%d seq=%d", node, group, slot, epoch, rapid.Uint64Range(max(first, 3)-3, last+1).Draw(t, "seq"))
	case "submit":
		return d.submit(rtu)
	}
	return d.control(rtu)
}

// access is something about who may use the station. There are few names and secrets, so that they meet.
func (d drawn) access() string {
	name, secret := d.pick("name", "alice", "bob", "carol"), d.pick("secret", "a", "b", "c", "d")
	role := d.pick("role", "viewer", "operator", "engineer", "admin")
	switch d.pick("verb of access", "user new", "user new", "user", "user-remove", "token", "token-remove", "login", "login", "login", "logout", "used", "revoke") {
	case "user new":
		return fmt.Sprintf("ops user %s new role=%s hash=%s end=%d", name, role, secret, rapid.SampledFrom([]int{0, 60}).Draw(d.t, "end"))
	case "user":
		return fmt.Sprintf("ops user %s role=%s", name, role)
	case "user-remove":
		return "ops user-remove " + name
	case "token":
		return fmt.Sprintf("ops token %s role=%s secret=%s", name, role, secret)
	case "token-remove":
		return "ops token-remove " + name
	case "login":
		u, _ := d.s.Access().User(name)
		return fmt.Sprintf("ops login %s session=%s revision=%d", name, secret, d.mostly("revision", u.Revision))
	case "logout":
		return "ops logout session=" + secret
	case "used":
		return fmt.Sprintf("ops used %s=%d", secret, rapid.IntRange(0, 100).Draw(d.t, "used"))
	}
	return fmt.Sprintf("ops revoke name=%s", name)
}

// submit is a request with an id that is mostly new; an execute or cancel mostly of something that was selected.
func (d drawn) submit(rtu uint32) string {
	controls := d.s.Controls()
	id := fmt.Sprintf("c%d", d.mostly("id", uint64(len(controls))))
	point, value, phase, selection := rapid.IntRange(1, 2).Draw(d.t, "point"), 1.0, d.pick("phase", "direct", "direct", "select", "select"), ""
	for _, c := range controls {
		if c.Phase == Select && (c.IsSelection() || d.pick("use it", "y", "n", "n", "n") == "y") {
			phase, selection = d.pick("and then", "execute", "execute", "cancel"), " select="+c.ID
			rtu, point, value = c.RTU, int(c.Point), c.Value
		}
	}
	return fmt.Sprintf("occ submit %s rtu=%d do/%d=%g phase=%s%s deadline=%d%s", id, rtu, point, value, phase, selection,
		rapid.IntRange(1, 200).Draw(d.t, "deadline"), d.pick("alone", "", " alone"))
}

// control goes on with a control, mostly one that is waiting for it.
func (d drawn) control(rtu uint32) string {
	ids := []string{"c0"}
	for _, c := range append(d.s.PendingControls(rtu), d.s.PendingControls(3-rtu)...) {
		ids = append(ids, c.ID, c.ID, c.ID)
	}
	id := d.pick("control", ids...)
	c, _ := d.s.Control(id)
	node, epoch := d.as(RTUResource(c.RTU))
	verbs := []string{"start", "result", "expire"}
	if c.Stage == Submitted {
		verbs = []string{"start", "start", "start", "start", "start", "expire"}
	} else if c.Stage != Done {
		verbs = []string{"start", "result", "result", "result", "result", "result", "expire"}
	}
	switch d.pick("verb of a control", verbs...) {
	case "start":
		return fmt.Sprintf("%s start %s epoch=%d", node, id, epoch)
	case "result":
		return fmt.Sprintf("%s result %s epoch=%d %s", node, id, epoch, d.pick("answer", "yes", "yes", "no", "yes terminated", "no terminated"))
	}
	return fmt.Sprintf("lead expire %s", id)
}

// Any sequence of commands keeps what the package promises, whatever of it is refused.
func TestPromises(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		x := propertyStation(t)
		p := promises{s: x.s, epochs: map[string]uint64{}, started: map[string]int{}, answered: map[string]int{}, received: map[string]bool{}, chains: map[AuditChain]AuditHash{}}
		p.begin()
		for range rapid.IntRange(20, 120).Draw(rt, "commands") {
			x.ms += int64(rapid.IntRange(0, 1500).Draw(rt, "ms"))
			line := drawn{rt, x.s}.line()
			e := &fsmpb.Entry{Commands: []*fsmpb.Command{parseCommand(t, line, x.ms)}}
			given := proto.CloneOf(e)
			x.index++
			x.s.index = x.index // so that the digests differ by the command alone
			before, last := x.s.Digest(), x.s.JournalLast()
			r := x.s.Apply(x.index, e)[0]
			if !proto.Equal(e, given) {
				rt.Fatalf("%s: Apply has changed the entry", line)
			}
			p.check(rt, line, e.Commands[0], r, last)
			if (r.Code != ok) && x.s.Digest() != before && !recordsRefusal(e.Commands[0]) {
				rt.Fatalf("%s: %s, but the state has changed", line, r.Code)
			}
		}
	})
}

// recordsRefusal tells the commands that leave a trace when they are refused: a request that can't be granted, and a start
// that is too late.
func recordsRefusal(c *fsmpb.Command) bool {
	return c.GetControlSubmit() != nil || c.GetControlStart() != nil
}

// promises is what was seen so far.
type promises struct {
	s        *State
	epochs   map[string]uint64 // newest epoch of each resource, gone ones included
	started  map[string]int    // how often each control was started
	answered map[string]int    // how often it was done
	audited  uint64            // entries of the audit
	chains   map[AuditChain]AuditHash
	received map[string]bool // messages of FNP that were kept
}

func (p *promises) begin() {
	p.audited = p.s.AuditLast()
	for _, e := range p.s.ReadAudit(0, int(p.audited)) {
		p.chains[e.Chain] = e.Hash
	}
}

func (p *promises) check(t *rapid.T, line string, c *fsmpb.Command, r *fsmpb.Result, last uint64) {
	s := p.s
	for _, res := range s.Resources() {
		if res.Epoch < p.epochs[res.ID] {
			t.Fatalf("%s: %s went from epoch %d to %d", line, res.ID, p.epochs[res.ID], res.Epoch)
		}
		p.epochs[res.ID] = res.Epoch
		if (res.Owner == "") != (res.Phase == Unowned) || (res.Target != "") != (res.Phase == Releasing) || res.Owner == "wit" || res.Target == "wit" {
			t.Fatalf("%s: %+v", line, res)
		}
	}

	if s.JournalLast() < last || s.JournalEvents() > s.Config().Retain {
		t.Fatalf("%s: %d events up to %d, retain %d", line, s.JournalEvents(), s.JournalLast(), s.Config().Retain)
	}
	if (r.LastSeq != 0) != (s.JournalLast() > last) || r.LastSeq != 0 && (r.FirstSeq != last+1 || r.LastSeq != s.JournalLast()) {
		t.Fatalf("%s: events %d to %d, result %v", line, last+1, s.JournalLast(), r)
	}
	// What a command brings about has numbers without gaps; of its events some may have been dropped at once.
	seq := last
	for _, e := range s.ReadHistory(last, int(s.JournalLast()-last)) {
		if e.Seq <= seq || e.Audit != nil && e.Audit.Seq != e.Seq {
			t.Fatalf("%s: %+v after %d", line, e, seq)
		}
		seq = e.Seq
		if e.Audit == nil {
			continue
		}
		if p.audited++; e.Audit.Number != p.audited || ChainAudit(e.Audit.Before, e.Audit.Content()) != e.Audit.Hash || e.Audit.Before != p.chains[e.Audit.Chain] {
			t.Fatalf("%s: entry %d of the audit is not in its chain: %+v", line, p.audited, e.Audit)
		}
		p.chains[e.Audit.Chain] = e.Audit.Hash
		n := e.Audit.Note
		if n.Kind != NoteControl {
			continue
		}
		if n.Stage == Executing {
			p.started[n.Control]++
		}
		k, _ := s.Control(n.Control)
		if n.Stage == Done && !k.Used {
			p.answered[n.Control]++
		}
		if p.started[n.Control] > 1 || p.answered[n.Control] > 1 {
			t.Fatalf("%s: control %s was started %d times and answered %d times", line, n.Control, p.started[n.Control], p.answered[n.Control])
		}
		if n.Stage >= Confirmed && (k.AnsweredSeq == 0 || k.AnsweredSeq > e.Seq) {
			t.Fatalf("%s: control %s was answered at %d, its entry is %d", line, n.Control, k.AnsweredSeq, e.Seq)
		}
	}
	if s.AuditLast() != p.audited {
		t.Fatalf("%s: %d entries of the audit, want %d", line, s.AuditLast(), p.audited)
	}

	if m := c.GetFnpReceive(); m != nil && r.Code == ok {
		key := fmt.Sprint(m.From, m.Session, m.Stream, m.Seq)
		if p.received[key] {
			t.Fatalf("%s: kept twice", line)
		}
		p.received[key] = true
		if resource, _ := s.Resource(FNPResource()); m.Epoch != resource.Epoch || c.Node != resource.Owner {
			t.Fatalf("%s: kept in epoch %d of %q", line, resource.Epoch, resource.Owner)
		}
	}
	size := 0
	mail := s.Mailbox().After(0, mailbox.MaxMessages+1)
	for i, m := range mail {
		size += len(m.Payload)
		if m.Number+uint64(len(mail)-i) != s.Mailbox().Proto().Last+1 {
			t.Fatalf("%s: message %d is in place %d of %d", line, m.Number, i, len(mail))
		}
	}
	if len(mail) > mailbox.MaxMessages || size > mailbox.MaxSize {
		t.Fatalf("%s: %d messages of %d octets are kept", line, len(mail), size)
	}

	for _, x := range s.Access().Sessions() {
		if u, ok := s.Access().User(x.User); !ok || u.Revision > s.Revisions().Access {
			t.Fatalf("%s: a session of %+v", line, u)
		}
	}

	for _, g := range s.Groups() {
		after := len(s.ReadJournal(g.Cursor, make([]Event, s.JournalEvents())))
		if g.Cursor > s.JournalLast() || g.Backlog != uint64(after) {
			t.Fatalf("%s: %+v with %d events after the cursor", line, g, after)
		}
		for _, slot := range g.Slots {
			if (slot.LostTo > 0) != (slot.Dropped > 0) && slot.Name == "" {
				t.Fatalf("%s: %s: %+v", line, g.Resource, slot)
			}
			if slot.LostTo > slot.Seq && !slot.Overflow {
				t.Fatalf("%s: %s has lost events silently: %+v", line, g.Resource, slot)
			}
		}
	}
	for _, c := range s.Conditions() {
		highest := Severity(0)
		for _, r := range c.Reports {
			highest = max(highest, r.Severity)
			if s.node(r.Node) == nil || r.Scope == ScopeOwner && r.Epoch > s.resources[c.Resource].Epoch {
				t.Fatalf("%s: %+v", line, c)
			}
		}
		if highest == 0 || c.Severity != highest || c.ID != ConditionID(c.Kind, c.Resource) || s.conditions.Undeclared(c.Resource) {
			t.Fatalf("%s: %+v", line, c)
		}
	}
	for _, v := range s.virtual.points {
		a, b, val := v.view(s)
		pt, _ := s.Point(v.key())
		if a != v.ValA || b != v.ValB || val != v.Val || pt.Value != number(val) {
			t.Fatalf("%s: virtual point %s is %t %t %t, in the image %g; it should be %t %t %t", line, v.Source, v.ValA, v.ValB, v.Val, pt.Value, a, b, val)
		}
	}
	if a := c.GetControlSubmit(); a.GetAlone() && r.Code == ok {
		for _, k := range s.Controls() {
			same := k.ID != a.Id && k.RTU == a.Rtu && k.Kind == Kind(a.Kind) && k.Point == a.Point
			if same && (k.Stage != Done || k.IsSelection() && k.DeadlineMs > c.AtMs) {
				t.Fatalf("%s: it is not alone with %+v", line, k)
			}
		}
	}
	executes := map[string]int{}
	for _, k := range s.Controls() {
		r, _ := s.Resource(RTUResource(k.RTU))
		if (k.Stage == Executing || k.Stage == Confirmed || k.IsSelection()) && k.Epoch != r.Epoch {
			t.Fatalf("%s: %+v goes on in epoch %d of %q", line, k, r.Epoch, r.Owner)
		}
		if k.Stage != Done || k.OK {
			executes[k.SelectID]++
		}
		if k.SelectID != "" && executes[k.SelectID] > 1 {
			t.Fatalf("%s: %s was used twice", line, k.SelectID)
		}
	}
	for _, u := range s.RTUs() {
		for _, k := range s.PendingControls(u.Number) {
			if known, _ := s.Control(k.ID); known != k || k.Stage == Done || k.RTU != u.Number {
				t.Fatalf("%s: pending %+v, known %+v", line, k, known)
			}
		}
	}
}

// Two states that are fed the same entries are equal; a state that was restored from a snapshot goes on like the one that it
// was taken from; and a snapshot that is written late holds what was true when it was taken.
func TestSnapshotIsTheState(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		x := propertyStation(t)
		twin := propertyStation(t)
		steps := func(what string, more ...*State) {
			for range rapid.IntRange(10, 80).Draw(rt, what) {
				x.ms += int64(rapid.IntRange(0, 1500).Draw(rt, "ms"))
				c := parseCommand(t, drawn{rt, x.s}.line(), x.ms)
				x.index++
				want := x.s.Apply(x.index, &fsmpb.Entry{Commands: []*fsmpb.Command{c}})
				for _, s := range append(more, twin.s) {
					got := s.Apply(x.index, &fsmpb.Entry{Commands: []*fsmpb.Command{c}})
					if !slices.EqualFunc(got, want, func(a, b *fsmpb.Result) bool { return proto.Equal(a, b) }) {
						rt.Fatalf("%v: got %v, want %v", c, got, want)
					}
				}
			}
		}
		steps("before")
		early := written(rt, x.s.Snapshot())
		late := x.s.Snapshot()
		restored, err := Restore(bytes.NewReader(early))
		if err != nil {
			rt.Fatal(err)
		}
		if again := written(rt, restored.view()); !bytes.Equal(again, early) {
			rt.Fatalf("the restored state is written otherwise, from octet %d on", firstDifferent(again, early))
		}
		steps("after", restored)
		if !bytes.Equal(written(rt, late), early) {
			rt.Fatal("what came after the snapshot is in it")
		}
		if d := x.s.Digest(); restored.Digest() != d || twin.s.Digest() != d {
			rt.Fatalf("digests differ: state %.8s, restored %.8s, twin %.8s", d, restored.Digest(), twin.s.Digest())
		}
	})
}

func written(t interface{ Fatal(...any) }, w io.WriterTo) []byte {
	var b bytes.Buffer
	if n, err := w.WriteTo(&b); err != nil || n != int64(b.Len()) {
		t.Fatal(n, err)
	}
	return b.Bytes()
}

func firstDifferent(a, b []byte) int {
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			return i
		}
	}
	return len(a)
}
