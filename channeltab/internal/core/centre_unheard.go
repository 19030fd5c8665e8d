package core

import "github.com/fepha/fepha/fsm/chantable"

// unheard is what a new leader sends to the stations that have not registered with it yet. They do so within a period,
// and until then it does not know which of them multicast reaches; but what is changing may be the address of a peer that
// died with the former leader, and some of them are sending to it. So each change is sent to all of them once, by unicast,
// to where the table has them.
type unheard struct {
	told    uint64          // the last version sent so, or being sent
	change  chantable.Range // being sent
	waiting []chantable.ID  // to whom, still
}

// tellUnheard goes on with it as far as the rate allows. What makes more than a few versions is left to the stations,
// which miss it when they register.
func (c *Centre) tellUnheard() {
	u := &c.sender.unheard
	if version := c.copy.Version(); len(u.waiting) == 0 && u.told < version {
		u.change, u.told = chantable.Range{From: u.told, To: version}, version
		if version-u.change.From <= fewVersions {
			for e := range c.copy.All() {
				if _, heard := c.claims.heard[e.ID]; e.Online && !heard {
					u.waiting = append(u.waiting, e.ID)
				}
			}
		}
	}
	for len(u.waiting) > 0 && c.mayUnicast() {
		e, _ := c.copy.ByID(u.waiting[0])
		u.waiting = u.waiting[1:]
		if _, heard := c.claims.heard[e.ID]; !e.Online || heard {
			continue
		}
		to := &served{id: e.ID, route: route{to: e.Address}}
		for at := u.change.From; at < u.change.To; {
			at = c.unicast(to, chantable.Range{From: at, To: u.change.To}, false)
		}
	}
}
