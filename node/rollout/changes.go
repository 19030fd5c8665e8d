package rollout

import (
	"fmt"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm"
)

// changes is what a configuration would change, and what is dropped for it.
func (c *Configurator) changes(next *configs.Station) []api.ConfigChange {
	running := c.Runner.Running()
	from := running.Station
	// The points of uplinks are not kept. If somebody has edited the files already, it's not told how many change.
	loaded, err := configs.Load(c.File)
	known := err == nil && loaded.Digest() == running.Digest
	if known {
		from = loaded
	}
	list := []api.ConfigChange{}
	for _, d := range configs.Compare(from, next) {
		if u, ok := next.Uplink(d.Uplink); ok && d.How == "changed" && !known {
			if d.Detail = ""; u.Digest() == running.Uplinks[u.Name] {
				continue
			}
		}
		change := api.ConfigChange{What: d.Part, How: d.How, Detail: d.Detail, Drops: []string{}}
		if d.How != "added" && c.concerned(from, next, d) {
			change.Drops = c.connections(d)
		}
		list = append(list, change)
	}
	return list
}

// concerned tells whether a change costs connections.
func (c *Configurator) concerned(from, next *configs.Station, d configs.Change) bool {
	switch {
	case d.How == "removed":
		return true
	case d.RTU != 0:
		a, _ := from.RTU(d.RTU)
		b, _ := next.RTU(d.RTU)
		return c.Runner.Reconnects(a, b)
	}
	return d.Settings
}

// connections are those of an RTU or uplink just now.
func (c *Configurator) connections(d configs.Change) (list []string) {
	list = []string{}
	c.Replica.View(func(s *fsm.State) {
		for _, n := range s.Nodes() {
			for _, l := range s.Links(d.RTU, n.ID) {
				if l.State == fsm.LinkActive || l.State == fsm.LinkStandby {
					list = append(list, fmt.Sprintf("link %d:%d on %s (%v)", l.Channel, l.Link, n.ID, l.State))
				}
			}
		}
		for _, g := range s.Groups() {
			for _, client := range g.Clients {
				if d.Uplink != "" && g.Uplink == d.Uplink {
					list = append(list, fmt.Sprintf("client %s on %s (%s)", client.Address, client.Node, client.Role))
				}
			}
		}
	})
	return list
}

// maxWords bounds what a version says of what it has changed; the state keeps no more.
const maxWords = 30

// inWords are the changes as the history has them.
func inWords(changes []api.ConfigChange) (words []string) {
	for i, c := range changes {
		if i == maxWords {
			return append(words, fmt.Sprintf("and %d more", len(changes)-i))
		}
		words = append(words, c.Text())
	}
	return words
}
