package acquisition

import (
	"fmt"
	"time"

	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104/asdu"
)

// Chatter says from when on a point chatters: more than Events of its events within a time. Zero: it never does. A point that
// chatters is held: its values go on to reach the image, marked as blocked (BL, IEC 60870-5-101, 7.2.6.1), but are no
// events. One event tells of its beginning, and one of its end, with the value that it has then.
//
// Within is measured by the device's time tags, where it sends any: what it kept while it was cut off comes at once, and is no
// chatter.
type Chatter struct {
	Events int // 1 to 10,000
	Within time.Duration
}

// chatter watches one point.
type chatter struct {
	since int64      // ms: tag of the first event of the present span
	count int        // events in it
	held  *heldPoint // nil: it doesn't chatter
}

// heldPoint is what is known of a point that chatters.
type heldPoint struct {
	newest value
	count  int       // events in the present span, by this node's clock
	until  time.Time // end of the span
}

// rein makes a value of a point that chatters no event. It returns what is to be taken over.
func (in *intake) rein(p *Point, v value, now time.Time) value {
	if p.Chatter == nil || p.Kind == fsmpb.Kind_COUNTER { // a counter's reading has no BL
		return v
	}
	if in.chatters == nil {
		in.chatters = make([]chatter, len(in.table.monitored))
	}
	c := &in.chatters[v.point]
	isEvent := v.mode == fsmpb.Item_EVENT
	if h := c.held; h != nil {
		h.newest = v
		if isEvent {
			h.count++
			in.faults.counts[chattering].Add(1)
		}
		v.mode, v.quality = fsmpb.Item_IMAGE, v.quality|asdu.BL
		return v
	}
	if !isEvent {
		return v
	}
	within := p.Chatter.Within.Milliseconds()
	if d := v.timeMs - c.since; c.count == 0 || d >= within || d <= -within {
		c.since, c.count = v.timeMs, 0
	}
	if c.count++; c.count <= p.Chatter.Events {
		return v
	}
	c.held, c.count = &heldPoint{newest: v, until: now.Add(p.Chatter.Within)}, 0
	in.holding = append(in.holding, v.point)
	in.tellHolding()
	in.faults.note(chattering, 1, "%v %d: more than %d events in %v, held until it's quiet", p.Kind, p.Number, p.Chatter.Events, p.Chatter.Within)
	v.quality |= asdu.BL
	return v
}

// release makes points that have become quiet tell it by an event, and returns when to look again; zero: not before
// another one chatters. Quiet is at most half of what begins it, within the same time.
func (in *intake) release(now time.Time) (again time.Time) {
	left, before := in.holding[:0], len(in.holding)
	for _, place := range in.holding {
		p, c := &in.table.monitored[place], &in.chatters[place]
		if h := c.held; !now.Before(h.until) {
			if h.count <= p.Chatter.Events/2 {
				v := h.newest
				v.mode = fsmpb.Item_EVENT
				c.held = nil
				in.put(p, v)
				continue
			}
			h.count, h.until = 0, now.Add(p.Chatter.Within)
		}
		if again.IsZero() || c.held.until.Before(again) {
			again = c.held.until
		}
		left = append(left, place)
	}
	if in.holding = left; len(left) < before {
		in.tellHolding()
	}
	return again
}

// tellHolding reports that points are held, or that none is.
func (in *intake) tellHolding() {
	if len(in.holding) == 0 {
		in.findings.State(condition.Chattering, false)
		return
	}
	p := &in.table.monitored[in.holding[0]]
	in.findings.State(condition.Chattering, true, len(in.holding), fmt.Sprintf("%v/%d", fsm.Kind(p.Kind), p.Number))
}
