package forwarder

import "github.com/fepha/fepha/iec104"

// UplinkStats are an uplink's counts since the start.
type UplinkStats struct {
	Name      string
	Listening bool
	Server    iec104.ServerCounters
	Groups    []GroupStats // as configured
}

// GroupStats are a group's counts since the start.
type GroupStats struct {
	Name         string
	Starts       uint64 // links that were started
	Events       uint64 // sent, repeats included
	Analogs      uint64 // changes sent
	Interrogated uint64 // values sent as an answer to an interrogation
	Position     uint64 // last event acknowledged, as this node knows; it may be ahead of the replicated cursor
}

// Stats returns the counts of the uplinks that this node serves.
func (f *Forwarder) Stats() []UplinkStats {
	uplinks := f.served()
	stats := make([]UplinkStats, len(uplinks))
	for i, u := range uplinks {
		stats[i] = UplinkStats{Name: u.cfg.Name, Listening: u.listening.Load(), Server: u.server.Counters()}
		for _, g := range u.cfg.Groups {
			stats[i].Groups = append(stats[i].Groups, u.groups[g.Name].stats())
		}
	}
	return stats
}

func (g *group) stats() GroupStats {
	g.mu.Lock()
	defer g.mu.Unlock()
	sum := g.ended
	if g.live != nil {
		sum.add(g.live.currentFeed().counters())
	}
	return GroupStats{
		Name: g.name, Starts: g.starts, Events: sum.events, Analogs: sum.analogs, Interrogated: sum.interrogated,
		Position: g.cursor.position(),
	}
}

// feedCounters count since a link started.
type feedCounters struct {
	events, analogs, interrogated uint64 // objects
}

func (c *feedCounters) add(o feedCounters) {
	c.events += o.events
	c.analogs += o.analogs
	c.interrogated += o.interrogated
}

func (f *feed) counters() feedCounters {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sent
}
