package bystander

import (
	"fmt"
	"maps"
	"slices"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/sim"
)

// wrong is something that may never become of a control.
type wrong struct {
	value float64
	what  string
}

// judge holds what was said of the orders, what the nodes list of them, and what the device did against each other.
func judge(orders []order, controls map[string]api.Control, did []sim.Operation) (all []wrong) {
	executed := map[float64]int{}
	for _, op := range did {
		executed[op.Value]++
	}
	listed := map[float64][]api.Control{}
	for _, id := range slices.Sorted(maps.Keys(controls)) {
		value := float64(controls[id].Value)
		listed[value] = append(listed[value], controls[id])
	}
	ordered := map[float64]bool{}
	for _, o := range orders {
		ordered[o.value] = true
		tell := func(format string, args ...any) { all = append(all, wrong{o.value, fmt.Sprintf(format, args...)}) }
		times := executed[o.value]
		if times > 1 {
			tell("was executed %d times", times)
		}
		if o.outcome == succeeded && times == 0 {
			tell("succeeded, and the device never got it")
		}
		if o.outcome == refused && times > 0 {
			tell("was refused (%s), and the device executed it", o.said)
		}
		if fsm.IsControlQuota(o.said) {
			tell("was refused for a quota: %s", o.said)
		}
		if len(listed[o.value]) > 1 {
			tell("is %d controls", len(listed[o.value]))
		}
		if times > 0 && len(listed[o.value]) == 0 {
			tell("was executed, and no node knows of it")
		}
		for _, c := range listed[o.value] {
			switch {
			case c.Stage != "done":
				tell("has no outcome: %s", c.Stage)
			case fsm.IsControlQuota(c.Reason):
				tell("was refused for a quota: %s", c.Reason)
			case c.OK && times == 0:
				tell("is listed as executed, and the device never got it")
			case c.OK && (o.outcome == refused || o.outcome == failed):
				tell("has two outcomes: it is listed as executed, and %s", o.said)
			case !c.OK && o.outcome == succeeded:
				tell("has two outcomes: it succeeded, and is listed with %s", c.Reason)
			}
		}
	}
	for _, value := range slices.Sorted(maps.Keys(executed)) {
		if !ordered[value] {
			all = append(all, wrong{value, "was executed, and nobody had ordered it"})
		}
	}
	return all
}
