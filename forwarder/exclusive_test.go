package forwarder

import (
	"slices"
	"testing"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

func (c *fakeCluster) owner(resource string) (owner string) {
	c.view(func(s *fsm.State) {
		r, _ := s.Resource(resource)
		owner = r.Owner
	})
	return owner
}

func TestExclusiveStartIsAClaimAndEventsGoOnFromTheCursor(t *testing.T) {
	c := newCluster(t, fsmpb.Configure_EXCLUSIVE, "a")
	f1 := c.node(t, "fep1").start(t, Uplink{Mode: Exclusive})
	f2 := c.node(t, "fep2").start(t, Uplink{Mode: Exclusive})
	for n := range uint64(10) {
		c.values(t, 1, di(1, float64(n%2), n))
	}
	one := begin(t, f1.address)
	if got := c.owner("uplink/occ/a"); got != "fep1" {
		t.Fatalf("owner is %q, want fep1", got)
	}
	eventually(t, "ten events", func() bool { return slices.Equal(one.numbers(), []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) })
	eventually(t, "fep2 does not listen", func() bool { return !reachable(f2.address) })
	eventually(t, "the cursor is replicated", func() bool {
		var cursor, last uint64
		c.view(func(s *fsm.State) { cursor, last = s.Cursor("uplink/occ/a", ""), s.JournalLast() })
		return cursor == last
	})
	one.Close()
	two := begin(t, f2.address)
	if got := c.owner("uplink/occ/a"); got != "fep2" {
		t.Fatalf("owner is %q, want fep2", got)
	}
	c.values(t, 1, di(2, 1, 10))
	eventually(t, "the next event, and no other", func() bool { return slices.Equal(two.numbers(), []uint64{10}) })
}
