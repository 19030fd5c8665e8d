package configs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
)

// What is peculiar about a device: how it is asked, what is tolerated of it, when it chatters.

// Step is something that a device is asked after a start.
type Step string

const (
	StepTest          Step = "test" // a test command (C_TS_TA_1)
	StepClock         Step = "clock"
	StepInterrogation Step = "interrogation"
	StepCounters      Step = "counters"
)

// CounterFreeze is whether the FEP freezes a device's counters (IEC 60870-5-101, 7.4.8).
type CounterFreeze string

const (
	FreezeNone     CounterFreeze = "none" // the device does by itself, or never; default
	FreezeCounters CounterFreeze = "freeze"
	FreezeReset    CounterFreeze = "freeze-reset" // and they count from 0 again
)

// tolerant reads what a peer may do against the protocol: names, or true for all of them.
func (o *object) tolerant(name string) (names []string) {
	all := strings.Split(iec104.TolerateAll.String(), ", ")
	defer o.told(name, typeList, "", "true for all, or some of "+strings.Join(all, ", "))
	if _, isBool := o.fields[name].(*ast.BoolNode); isBool {
		if o.bool(name, false) {
			return all
		}
		return nil
	}
	for _, e := range o.filled(name) {
		text, _ := o.doc.text(e.path, e.node)
		switch {
		case !slices.Contains(all, text):
			o.doc.fail(e.path, quote(text)+" is unknown", "one of "+strings.Join(all, ", "))
		case slices.Contains(names, text):
			o.doc.fail(e.path, quote(text)+" is there twice", "each once")
		default:
			names = append(names, text)
		}
	}
	return names
}

// steps reads in which order a device is asked after a start.
func (o *object) steps(name string) (steps []Step) {
	defer o.told(name, typeList, "[interrogation, counters, clock]", "test, clock, interrogation, counters")
	known := []Step{StepTest, StepClock, StepInterrogation, StepCounters}
	before := o.doc.errs.Total
	list := o.filled(name)
	if o.fields[name] == nil {
		return []Step{StepInterrogation, StepCounters, StepClock}
	}
	for _, e := range list {
		text, _ := o.doc.text(e.path, e.node)
		switch s := Step(text); {
		case !slices.Contains(known, s):
			o.doc.fail(e.path, quote(text)+" is unknown", "test, clock, interrogation or counters")
		case slices.Contains(steps, s):
			o.doc.fail(e.path, quote(text)+" is there twice", "each once")
		default:
			steps = append(steps, s)
		}
	}
	if !slices.Contains(steps, StepInterrogation) && o.doc.errs.Total == before {
		o.fail(name, "interrogation is missing", "it in its place: without it nothing is known of the device after a start")
	}
	return steps
}

// counterGroups reads groups of counters.
func (o *object) counterGroups(name string) (groups []int) {
	defer o.told(name, typeList, "", "1 to 4")
	for _, e := range o.filled(name) {
		text, _ := o.doc.text(e.path, e.node)
		switch n, err := strconv.Atoi(text); {
		case err != nil || n < 1 || n > 4:
			o.doc.fail(e.path, quote(text)+" is no group of counters", "1 to 4")
		case slices.Contains(groups, n):
			o.doc.fail(e.path, text+" is there twice", "each once")
		default:
			groups = append(groups, n)
		}
	}
	return groups
}

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
	o.told(name, "text", "off", chatterExpected)
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
