package forwarder

import (
	"net"
	"slices"
	"time"

	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/fsm/fsmpb"
)

const (
	// youngLink is how long a started link that answers keeps its place against a client at another address. Two control
	// centres that are in one group by mistake would else take it from each other with every attempt to connect.
	youngLink = 5 * time.Second
	// rivalry and rivalTakes: when so many changes from one of two addresses to the other within that time are a quarrel.
	rivalry    = time.Minute
	rivalTakes = 3
)

// take is a change of the address that a group is served to.
type take struct {
	at       time.Time
	from, to string
}

// rivals notices addresses that take a group's link from each other.
type rivals struct {
	served string // host of the newest main link; "": there was none
	takes  []take // within rivalry, oldest first
}

// serve takes in that a main link has started, and returns the address that was served before if it's another one.
func (r *rivals) serve(now time.Time, host string) (before string, other bool) {
	before, r.served = r.served, host
	if before == "" || before == host {
		return "", false
	}
	r.takes = slices.DeleteFunc(r.takes, func(t take) bool { return now.Sub(t.at) > rivalry })
	r.takes = append(r.takes, take{now, before, host})
	return before, true
}

// quarrel tells the two that take the link from each other, in order, and how often they did so within rivalry.
func (r *rivals) quarrel() (first, second string, takes int) {
	if len(r.takes) == 0 {
		return "", "", 0
	}
	last := r.takes[len(r.takes)-1]
	for _, t := range r.takes {
		if t.from == last.from && t.to == last.to || t.from == last.to && t.to == last.from {
			takes++
		}
	}
	if takes < rivalTakes {
		return "", "", 0
	}
	return min(last.from, last.to), max(last.from, last.to), takes
}

// keepYoung refuses a start while a young link of a client at another address answers.
func (g *group) keepYoung(l *link) error {
	g.mu.Lock()
	live := g.live
	g.mu.Unlock()
	if live == nil || live == l || hostOf(live.client) == hostOf(l.client) {
		return nil
	}
	live.mu.Lock()
	since := live.since
	live.mu.Unlock()
	if g.now().Sub(since) >= youngLink {
		return nil
	}
	return g.challenge()
}

// serves tells of the address that the group is served to from now on, if it's another one.
func (g *group) serves(client string) {
	host := hostOf(client)
	g.mu.Lock()
	before, other := g.rivals.serve(g.now(), host)
	first, second, takes := g.rivals.quarrel()
	g.mu.Unlock()
	if !other {
		return
	}
	g.log.Warn("the group is now served to another address", "client", host, "before", before)
	g.replica().ProposeAsync(&fsmpb.Command{Op: &fsmpb.Command_Audit{Audit: &fsmpb.Audit{
		Action: "serve another address", Origin: host, Resource: g.resource, Reason: "was " + before, Ok: true,
	}}})
	if takes > 0 {
		g.u.conditions.Set(condition.Report{
			Kind: condition.TwoCentres, Resource: g.resource, Count: uint64(takes), Values: condition.Values(first, second),
		})
	}
}

func hostOf(client string) string {
	host, _, err := net.SplitHostPort(client)
	if err != nil {
		return client
	}
	return host
}
