package control

import (
	"fmt"
	"strings"
)

// Quotas of controls. A control is remembered at least until its deadline has passed, so that it is never executed twice;
// whoever asks for many would take that room from the others. A requester is one party, such as a client of an uplink group;
// its pool is all of its kind, such as the group: what many addresses can't evade.

const (
	MaxOfRequester = 250 // whose deadline has not passed, or that are not done
	MaxOfPool      = 2500
	MaxSelections  = 32 // of a requester, under way or held
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

func (cs *Controls) charge(c *Control) {
	for _, account := range accountsOf(c.Requester) {
		cs.accounts[account] = append(cs.accounts[account], c)
	}
}

func (cs *Controls) discharge(c *Control) {
	for _, account := range accountsOf(c.Requester) {
		if cs.accounts[account] = without(cs.accounts[account], c); len(cs.accounts[account]) == 0 {
			delete(cs.accounts, account)
		}
	}
}

// Quota says why a requester may submit no more controls of this phase at this time, in ms since 1970-01-01 UTC; empty: it
// may.
func (cs *Controls) Quota(requester string, phase Phase, nowMs int64) string {
	of := accountsOf(requester)
	open := func(a account, most int) bool {
		list := cs.accounts[a]
		return len(list) >= most && count(list, func(c *Control) bool { return c.Stage != Done || c.DeadlineMs >= nowMs }) >= most
	}
	selected := func(c *Control) bool {
		return c.Phase == Select && (c.Stage != Done || c.IsSelection()) && c.DeadlineMs >= nowMs
	}
	switch {
	case len(cs.byID) >= MaxControls:
		return fmt.Sprintf("%d controls are remembered until their deadlines have passed", MaxControls)
	case open(of[0], MaxOfRequester):
		return fmt.Sprintf("%d controls of %s are remembered until their deadlines have passed: expected fewer at a time", MaxOfRequester, requester)
	case open(of[1], MaxOfPool):
		return fmt.Sprintf("%d controls of %s and others are remembered until their deadlines have passed: expected fewer at a time", MaxOfPool, requester)
	case phase == Select && count(cs.accounts[of[0]], selected) >= MaxSelections:
		return fmt.Sprintf("%d points are selected by %s: expected fewer at a time", MaxSelections, requester)
	}
	return ""
}

// IsQuota tells whether a refusal is one of Quota's.
func IsQuota(message string) bool {
	return strings.Contains(message, "expected fewer at a time") || strings.Contains(message, "controls are remembered until their deadlines have passed")
}

func count(list []*Control, is func(*Control) bool) (n int) {
	for _, c := range list {
		if is(c) {
			n++
		}
	}
	return n
}
