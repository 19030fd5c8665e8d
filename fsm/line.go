package fsm

import (
	"fmt"
	"slices"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// RTUs may share their links: several common addresses behind one connection, as a concentrator has them. Then they have one
// resource, which bears the smallest of their numbers, so that they have one owner and one epoch and move together. In the
// state each of their ids names it.

// lineOf is the number that the links of a configured RTU and their resource bear.
func lineOf(c *fsmpb.Configure_RTU) uint32 {
	if c.GetShares() != 0 {
		return c.Shares
	}
	return c.GetNumber()
}

// checkShares finds out whether the RTU whose links another shares is there, and has some.
func checkShares(cfg *fsmpb.Configure, r *fsmpb.Configure_RTU) error {
	if r.Shares == 0 {
		return nil
	}
	i := slices.IndexFunc(cfg.Rtus, func(o *fsmpb.Configure_RTU) bool { return o.GetNumber() == r.Shares })
	switch {
	case i < 0 || r.Shares >= r.Number || cfg.Rtus[i].Shares != 0:
		return fmt.Errorf("RTU %d: shares the links of RTU %d: expected one with a smaller number and links of its own", r.Number, r.Shares)
	case !slices.Equal(cfg.Rtus[i].Links, r.Links):
		return fmt.Errorf("RTU %d: shares the links of RTU %d: expected the same channels", r.Number, r.Shares)
	}
	return nil
}

// lineOfNumber is the line of an RTU in a configuration.
func lineOfNumber(cfg *fsmpb.Configure, number uint32) uint32 {
	for _, c := range cfg.Rtus {
		if c.GetNumber() == number {
			return lineOf(c)
		}
	}
	return number
}

// joinLine gives an RTU its resource and its links: of its own, or another's.
func (s *State) joinLine(at command.Stamp, u *rtu, c *fsmpb.Configure_RTU) {
	if c.Shares == 0 {
		u.resource, u.links = s.addResource(at, RTUResource(c.Number), ResourceRTU), map[string][]Link{}
		return
	}
	first := s.rtus[c.Shares]
	u.resource, u.links = first.resource, first.links
	s.resources[RTUResource(c.Number)] = first.resource
	s.rev.Resources++
}

// dissolveLines takes resource and links from the RTUs that will share them with others than before. They begin anew, above
// every epoch so far: what was proposed for the former ones changes nothing any more.
func (s *State) dissolveLines(at command.Stamp, cfg *fsmpb.Configure) {
	next := map[uint32][]uint32{}
	for _, c := range cfg.Rtus {
		next[lineOf(c)] = append(next[lineOf(c)], c.Number)
	}
	now := map[*Resource][]*rtu{}
	for _, u := range s.sortedRTUs() {
		now[u.resource] = append(now[u.resource], u)
	}
	for _, r := range s.sortedResources() {
		members := now[r]
		line, _ := ParseRTUResource(r.ID)
		alone := len(members) == 1 && !slices.ContainsFunc(cfg.Rtus, func(c *fsmpb.Configure_RTU) bool { return c.GetNumber() == line })
		same := slices.EqualFunc(members, next[line], func(u *rtu, n uint32) bool { return u.number == n })
		if len(members) == 0 || same || alone {
			continue
		}
		for _, u := range members {
			s.controls.OwnerChanged(at, u.number)
			delete(s.resources, RTUResource(u.number))
			u.resource, u.links = nil, nil
		}
		s.removeResource(r)
		s.rev.Links++
	}
}

// Sharing are the numbers of the RTUs that share an RTU's links, itself too, ascending; nil if it has them for itself.
func (s *State) Sharing(rtu uint32) []uint32 {
	u := s.rtus[rtu]
	if u == nil {
		return nil
	}
	if all := s.behind(u.resource); len(all) > 1 {
		return all
	}
	return nil
}

// behind are the numbers of the RTUs that have a resource.
func (s *State) behind(r *Resource) (numbers []uint32) {
	line, ok := ParseRTUResource(r.ID)
	if !ok {
		return nil
	}
	for _, c := range s.config.Rtus {
		if lineOf(c) == line {
			numbers = append(numbers, c.Number)
		}
	}
	return numbers
}
