// Package pointcheck is the progress of the check of points (对点) that a station is commissioned with: of each RTU, which of its
// points were seen to change, which of these changes the control centre has acknowledged, which controls have had their return,
// and what a person has ticked off. It is replicated, so that a takeover in the middle of the work costs nothing.
package pointcheck

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// Bounds of what is kept.
const (
	MaxPoints = 20_000 // of all checks together
	maxSeen   = 2      // values of a point: that it goes on and off, say
)

// Sample is one value that a point was seen with.
type Sample struct {
	Value   float64
	Quality uint8
	Type    uint8  // TypeID
	TimeMs  int64  // of the device's time tag, ms since 1970-01-01 UTC; of a control, when it was asked for
	Seq     uint64 // of the event; 0 of a control, and of a value that is no event, of which no acknowledgement is known
	// AckedMs is when the control centre's acknowledgement was committed, or the device's return of a control; 0: not yet.
	AckedMs int64
	Origin  string // of a control: who asked
}

// Item is a point of a check.
type Item struct {
	Kind      fsmpb.Kind
	Point     uint32
	Forwarded bool     // it is in the uplink's table, so an acknowledgement can come
	Seen      []Sample // at most two, of different values, the newest last

	// What a person said of it; By "": nobody has.
	By     string
	ByMs   int64
	OK     bool
	Remark string

	waits bool // it is among the check's waiting
}

// Acked tells whether the control centre has acknowledged a change of it, or the device has returned a control.
func (i *Item) Acked() bool {
	return slices.ContainsFunc(i.Seen, func(s Sample) bool { return s.AckedMs != 0 })
}

// Done tells whether the point is ticked off. What a person says counts more than what was seen.
func (i *Item) Done() bool {
	if i.By != "" {
		return i.OK
	}
	return i.Acked()
}

// word is a kind as tables have it.
func word(k fsmpb.Kind) string { return strings.ToLower(k.String()) }

func (i *Item) clone() Item {
	out := *i
	out.Seen, out.waits = slices.Clone(i.Seen), false
	return out
}

type id struct {
	kind  fsmpb.Kind
	point uint32
}

// check is that of one RTU.
type check struct {
	rtu       uint32
	resource  string
	origin    string
	startedMs int64
	endedMs   int64
	items     map[id]*Item
	waiting   []*Item // with a sample that is not acknowledged, in no order
}

// Check is a check as it stands.
type Check struct {
	RTU       uint32
	Resource  string // the uplink's group whose acknowledgement counts; empty: none
	Origin    string // who began it
	StartedMs int64
	EndedMs   int64  // 0: it goes on
	Items     []Item // by kind and point
}

// Checks are those of all RTUs, at most one of each.
type Checks struct {
	by     map[uint32]*check
	points int
}

// New returns no checks.
func New() *Checks { return &Checks{by: map[uint32]*check{}} }

// RTUs are the numbers of those that have a check, ascending.
func (c *Checks) RTUs() []uint32 { return slices.Sorted(maps.Keys(c.by)) }

// Of returns the check of an RTU.
func (c *Checks) Of(rtu uint32) (Check, bool) {
	k := c.by[rtu]
	if k == nil {
		return Check{}, false
	}
	out := Check{RTU: rtu, Resource: k.resource, Origin: k.origin, StartedMs: k.startedMs, EndedMs: k.endedMs, Items: make([]Item, 0, len(k.items))}
	for _, i := range k.sorted() {
		out.Items = append(out.Items, i.clone())
	}
	return out, true
}

func (k *check) sorted() []*Item {
	return slices.SortedFunc(maps.Values(k.items), func(a, b *Item) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Point, b.Point))
	})
}

// Start begins a check, or brings the points of one up to date with the RTU's table: those that stay keep their progress.
func (c *Checks) Start(at command.Stamp, op *fsmpb.CheckStart) *fsmpb.Result {
	items := make(map[id]*Item, len(op.Points))
	for n, p := range op.Points {
		k := id{p.GetKind(), p.GetPoint()}
		if items[k] != nil || k.kind <= fsmpb.Kind_KIND_NONE || k.kind > fsmpb.Kind_AO {
			return command.Refuse(fsmpb.Result_INVALID, "check of RTU %d: point %d, %s/%d: expected a di, ai, counter, do or ao, once", op.Rtu, n, word(k.kind), k.point)
		}
		items[k] = &Item{Kind: k.kind, Point: k.point, Forwarded: p.Forwarded}
	}
	old := c.by[op.Rtu]
	before := 0
	if old != nil {
		before = len(old.items)
	}
	switch {
	case len(items) == 0:
		return command.Refuse(fsmpb.Result_INVALID, "check of RTU %d: it has no points", op.Rtu)
	case c.points-before+len(items) > MaxPoints:
		return command.Refuse(fsmpb.Result_CONFLICT, "check of RTU %d: %d points, with those of other checks more than %d: discard a check that is done", op.Rtu, len(items), MaxPoints)
	}
	k := &check{rtu: op.Rtu, resource: op.Resource, origin: command.Clip(op.Origin), startedMs: at.Ms, items: items}
	if old != nil && !op.Anew {
		k.origin, k.startedMs = old.origin, old.startedMs
		for key, was := range old.items {
			if is := items[key]; is != nil {
				forwarded := is.Forwarded
				*is = *was
				is.Forwarded = forwarded
			}
		}
	}
	k.await()
	c.by[op.Rtu] = k
	c.points += len(items) - before
	return command.Done()
}

// await finds the items that wait for an acknowledgement.
func (k *check) await() {
	k.waiting = nil
	for _, i := range k.items {
		if i.waits = i.Forwarded && slices.ContainsFunc(i.Seen, func(s Sample) bool { return s.AckedMs == 0 }); i.waits {
			k.waiting = append(k.waiting, i)
		}
	}
}

// Tick takes what a person says of a point.
func (c *Checks) Tick(at command.Stamp, op *fsmpb.CheckTick) *fsmpb.Result {
	k := c.by[op.Rtu]
	if k == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no check of RTU %d", op.Rtu)
	}
	i := k.items[id{op.Kind, op.Point}]
	switch {
	case i == nil:
		return command.Refuse(fsmpb.Result_NOT_FOUND, "check of RTU %d: there is no %s/%d in it", op.Rtu, word(op.Kind), op.Point)
	case k.endedMs != 0:
		return command.Refuse(fsmpb.Result_CONFLICT, "check of RTU %d: it has ended", op.Rtu)
	case op.Clear:
		if i.By == "" {
			return command.Already()
		}
		i.By, i.ByMs, i.OK, i.Remark = "", 0, false, ""
		return command.Done()
	case op.Origin == "":
		return command.Refuse(fsmpb.Result_INVALID, "check of RTU %d: expected who says so", op.Rtu)
	case op.Remark == "":
		return command.Refuse(fsmpb.Result_INVALID, "check of RTU %d: expected a remark: what was seen, or what is wrong", op.Rtu)
	}
	i.By, i.ByMs, i.OK, i.Remark = command.Clip(op.Origin), at.Ms, op.Ok, command.Clip(op.Remark)
	return command.Done()
}

// End ends a check: its result stays until it is discarded.
func (c *Checks) End(at command.Stamp, op *fsmpb.CheckEnd) *fsmpb.Result {
	k := c.by[op.Rtu]
	switch {
	case k == nil:
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no check of RTU %d", op.Rtu)
	case op.Discard:
		c.Forget(op.Rtu)
		return command.Done()
	case k.endedMs != 0:
		return command.Already()
	}
	k.endedMs = at.Ms
	return command.Done()
}

// Forget drops the check of an RTU that is gone.
func (c *Checks) Forget(rtu uint32) {
	if k := c.by[rtu]; k != nil {
		c.points -= len(k.items)
		delete(c.by, rtu)
	}
}

// Saw takes an event of the device's, or the return of a control.
func (c *Checks) Saw(rtu uint32, kind fsmpb.Kind, point uint32, s Sample) {
	k := c.by[rtu]
	if k == nil || k.endedMs != 0 {
		return
	}
	i := k.items[id{kind, point}]
	if i == nil {
		return
	}
	s.Origin = command.Clip(s.Origin)
	// Of the same value the first one that is acknowledged stays: it is the proof.
	same := func(old Sample) bool { return old.Value == s.Value }
	if n := slices.IndexFunc(i.Seen, same); n >= 0 {
		if i.Seen[n].AckedMs != 0 {
			return
		}
		i.Seen = slices.Delete(i.Seen, n, n+1)
	}
	if len(i.Seen) == maxSeen {
		n := slices.IndexFunc(i.Seen, func(old Sample) bool { return old.AckedMs == 0 })
		if n < 0 {
			return
		}
		i.Seen = slices.Delete(i.Seen, n, n+1)
	}
	i.Seen = append(i.Seen, s)
	if s.AckedMs == 0 && i.Forwarded && !i.waits {
		i.waits = true
		k.waiting = append(k.waiting, i)
	}
}

// Acknowledged takes that a control centre has acknowledged all events up to seq, but for those up to lost, which it never got.
func (c *Checks) Acknowledged(at command.Stamp, resource string, seq, lost uint64) {
	for _, k := range c.by {
		if k.resource != resource || k.endedMs != 0 {
			continue
		}
		k.waiting = slices.DeleteFunc(k.waiting, func(i *Item) bool { return i.acknowledged(at, seq, lost) })
	}
}

// acknowledged tells whether nothing of the item waits any more.
func (i *Item) acknowledged(at command.Stamp, seq, lost uint64) bool {
	i.waits = false
	for n := range i.Seen {
		s := &i.Seen[n]
		switch {
		case s.AckedMs != 0:
		case s.Seq > lost && s.Seq <= seq:
			s.AckedMs = at.Ms
		default:
			i.waits = true
		}
	}
	return !i.waits
}
