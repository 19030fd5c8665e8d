package watch

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"

	"github.com/fepha/fepha/condition/conditiontest"
	"github.com/fepha/fepha/replica"
)

// Who doesn't reach a node that the others do says so; a node that nobody reaches is dead, which is said elsewhere.
func TestReach(t *testing.T) {
	f := wellStation(t)
	said := new(conditiontest.Said)
	cut := map[string]bool{}
	r := &Reach{
		Node: f, Reporter: said, Addresses: map[string]string{"fep2": "fep2:1", "wit": "wit:1"},
		Dial: func(_ context.Context, _, address string) (net.Conn, error) {
			if cut[address] {
				return nil, errors.New("no route")
			}
			c, other := net.Pipe()
			other.Close()
			return c, nil
		},
	}
	rounds := func(n int, want string) {
		t.Helper()
		for range n {
			r.round(t.Context())
		}
		if said.IDs() != want {
			t.Fatalf("conditions %q, want %q", said.IDs(), want)
		}
	}
	rounds(5, "")
	cut["wit:1"] = true
	rounds(reachMisses-1, "")
	rounds(1, "node.wit.unreachable")
	if reaches, misses := r.Seen(); !slices.Equal(reaches, []string{"fep2"}) || !slices.Equal(misses, []string{"wit"}) {
		t.Errorf("reaches %q, misses %q", reaches, misses)
	}
	if text := said.Says("node.wit.unreachable"); text != "fep1 does not reach the node, while others do" {
		t.Error(text)
	}
	f.peer(2).Alive = false
	rounds(1, "")
	f.peer(2).Alive = true
	rounds(reachMisses, "node.wit.unreachable")
	cut["wit:1"] = false
	rounds(1, "")
	f.info = replica.Info{ID: "fep1"}
	cut["fep2:1"] = true
	rounds(10, "")
}
