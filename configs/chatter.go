package configs

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/fepha/fepha/fsm"
)

// Chatter says from when on a point chatters: more than Events events within a time. The zero value: never.
//
// A point that chatters is held until it has become quiet: its values go on to reach the image, but are no events. So it is off
// unless somebody asks for it: a change that is not told is a decision of whoever runs the station.
type Chatter struct {
	Events int           // 1 to 10,000
	Within time.Duration // 100 ms to 1 h
}

const chatterExpected = "off, or events/time such as 20/10s: more than 1 to 10000 events within 100ms to 1h"

// String writes 20/10s, or off.
func (c Chatter) String() string {
	if c == (Chatter{}) {
		return "off"
	}
	return fmt.Sprintf("%d/%s", c.Events, durationText(c.Within))
}

// MarshalText has a configuration that is shown be one that can be read.
func (c Chatter) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

func parseChatter(text string) (c Chatter, ok bool) {
	if text == "off" {
		return c, true
	}
	events, within, _ := strings.Cut(text, "/")
	n, err := strconv.Atoi(events)
	d, err2 := time.ParseDuration(within)
	if err != nil || err2 != nil || n < 1 || n > 10_000 || d < 100*time.Millisecond || d > time.Hour {
		return c, false
	}
	return Chatter{n, d}, true
}

// ChatterOf is when a point of the RTU chatters: what its row says, or else the RTU. Only di, and ai that are events, do.
func (r *RTU) ChatterOf(p *Point) Chatter {
	if p.Kind != fsm.DI && (p.Kind != fsm.AI || !p.Event) {
		return Chatter{}
	}
	if c, said := r.Chatters[ControlKey{p.Kind, p.Number}]; said {
		return c
	}
	return r.Chatter
}

func (o *object) chatter(name string) Chatter {
	text := o.text(name, "off")
	c, ok := parseChatter(text)
	if !ok {
		o.fail(name, quote(text)+" is no chatter", chatterExpected)
	}
	return c
}

// chatter reads what a row says, if it says anything.
func (r *row) chatter(p *Point) (c Chatter, said bool) {
	if !r.means(rtuChatter, p.Kind) {
		return c, false
	}
	text := strings.ToLower(r.text(rtuChatter))
	c, ok := parseChatter(text)
	switch {
	case text == "":
		return c, false
	case !ok:
		r.fail(rtuChatter, quote(text)+" is no chatter", chatterExpected)
	case c != Chatter{} && p.Kind == fsm.AI && !p.Event:
		r.fail(rtuChatter, "this ai is no event", "event true, or nothing")
	}
	return c, ok
}
