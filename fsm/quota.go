package fsm

import (
	"fmt"
	"strings"
)

// Quotas of controls. A control is remembered at least until its deadline has passed, so that it is never executed twice;
// whoever asks for many would take that room from the others. A requester is one party, such as a client of an uplink group;
// its pool is all of its kind, such as the group: what many addresses can't evade.

const (
	maxOfRequester = 250 // whose deadline has not passed, or that are not done
	maxOfPool      = 2500
	maxSelections  = 32 // of a requester, under way or held
)

// account is what controls are counted to: a requester, or a pool.
type account struct {
	name string
	pool bool
}

// accountsOf are a requester's own and the one that it shares with others of its kind.
func accountsOf(requester string) [2]account {
	pool, _, _ := strings.Cut(requester, " ")
	return [2]account{{requester, false}, {pool, true}}
}

func (cs *controls) charge(c *Control) {
	for _, account := range accountsOf(c.Requester) {
		cs.accounts[account] = append(cs.accounts[account], c)
	}
}

func (cs *controls) discharge(c *Control) {
	for _, account := range accountsOf(c.Requester) {
		if cs.accounts[account] = without(cs.accounts[account], c); len(cs.accounts[account]) == 0 {
			delete(cs.accounts, account)
		}
	}
}

// beyondQuota says why a requester may have no more controls of this phase now; empty: it may.
func (cs *controls) beyondQuota(requester string, phase ControlPhase, nowMs int64) string {
	of := accountsOf(requester)
	open := func(a account, most int) bool {
		list := cs.accounts[a]
		return len(list) >= most && count(list, func(c *Control) bool { return c.Stage != Done || c.DeadlineMs >= nowMs }) >= most
	}
	selected := func(c *Control) bool {
		return c.Phase == Select && (c.Stage != Done || c.selection()) && c.DeadlineMs >= nowMs
	}
	switch {
	case len(cs.byID) >= maxControls:
		return fmt.Sprintf("%d controls are remembered until their deadlines have passed", maxControls)
	case open(of[0], maxOfRequester):
		return fmt.Sprintf("%d controls of %s are remembered until their deadlines have passed: expected fewer at a time", maxOfRequester, requester)
	case open(of[1], maxOfPool):
		return fmt.Sprintf("%d controls of %s and others are remembered until their deadlines have passed: expected fewer at a time", maxOfPool, requester)
	case phase == Select && count(cs.accounts[of[0]], selected) >= maxSelections:
		return fmt.Sprintf("%d points are selected by %s: expected fewer at a time", maxSelections, requester)
	}
	return ""
}

// ControlQuota says why a requester may submit no more controls of this phase at this time, in ms since 1970-01-01 UTC;
// empty: it may. Whoever asks it first spares the log what would be refused.
func (s *State) ControlQuota(requester string, phase ControlPhase, nowMs int64) string {
	return s.controls.beyondQuota(requester, phase, nowMs)
}

func count(list []*Control, is func(*Control) bool) (n int) {
	for _, c := range list {
		if is(c) {
			n++
		}
	}
	return n
}
