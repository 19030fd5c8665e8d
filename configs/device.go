package configs

import (
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/fepha/fepha/iec104"
)

// What is peculiar about a device: how it is asked, what is tolerated of it.

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
