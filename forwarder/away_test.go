package forwarder

import (
	"testing"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// stopping says for a node that it ends.
func (c station) stopping(t *testing.T, node string, on bool) {
	t.Helper()
	c.Do(t, node, &fsmpb.Command{Op: &fsmpb.Command_Stopping{Stopping: &fsmpb.Stopping{Node: node, On: on}}})
}

// A node that is about to stop sends its client away and releases the group, so that the client finds the other FEP
// listening; it lets nobody in before it is back.
func TestExclusiveNodeThatStopsSendsItsClientAway(t *testing.T) {
	c, f1, f2 := pair(t, fsm.Exclusive, Uplink{})
	one := begin(t, f1.address)
	c.stopping(t, "fep1", true)
	<-one.Done()
	eventually(t, "the group is released", func() bool { return c.Resource(groupA).Phase == fsm.Unowned })
	eventually(t, "fep1 does not listen", func() bool { return !reachable(f1.address) })
	two := begin(t, f2.address)
	defer two.Close()
	if got := c.Resource(groupA).Owner; got != "fep2" {
		t.Errorf("owner is %q, want fep2", got)
	}
	c.stopping(t, "fep1", false)
	two.Close()
	eventually(t, "fep1 listens again", func() bool { return reachable(f1.address) })
}

// In main-standby mode the main link stays until the leader has moved the group to where the standby client is.
func TestMainStandbyNodeThatStopsKeepsItsMainLinkUntilTheMove(t *testing.T) {
	c, f1, f2 := pair(t, fsm.MainStandby, Uplink{})
	one, two := begin(t, f1.address), begin(t, f2.address)
	defer two.Close()
	eventually(t, "both are known", func() bool {
		known := 0
		c.View(func(s *fsm.State) {
			g, _ := s.Group(groupA)
			for _, client := range g.Clients {
				if client.Started {
					known++
				}
			}
		})
		return known == 2
	})
	c.stopping(t, "fep1", true)
	eventually(t, "fep1 does not listen", func() bool { return !reachable(f1.address) })
	select {
	case <-one.Done():
		t.Fatal("the main link was closed before the group moved")
	default:
	}
	r := c.Resource(groupA)
	c.Do(t, "wit", &fsmpb.Command{Op: &fsmpb.Command_Move{Move: &fsmpb.Move{Resource: groupA, ExpectEpoch: r.Epoch, To: "fep2", Reason: "node stops"}}})
	<-one.Done()
	c.Values(t, 1, di(1, 1, 1))
	eventually(t, "events come over the other link", func() bool { return len(two.numbers()) == 1 })
}
