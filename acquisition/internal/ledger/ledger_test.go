package ledger

import (
	"slices"
	"testing"
)

// An acknowledgement says that everything up to an ASDU is committed, in whatever order the sectors commit.
func TestLedger(t *testing.T) {
	var l Ledger
	for i, sector := range []int{0, 1, 0, 2, 1} {
		if n := l.Receive(uint64(i+1), sector); n != uint64(i+1) {
			t.Errorf("%d open after %d ASDUs", n, i+1)
		}
	}
	var acks []uint64
	for _, c := range []struct{ sector, upTo int }{{1, 5}, {2, 4}, {0, 1}, {0, 1}, {0, 3}} {
		l.Commit(c.sector, uint64(c.upTo), func(upTo uint64) { acks = append(acks, upTo) })
	}
	if want := []uint64{2, 5}; !slices.Equal(acks, want) || len(l.open) != 0 {
		t.Errorf("acknowledged %v, want %v; %v are open", acks, want, l.open)
	}
	if n := l.Receive(6, 0); n != 1 {
		t.Errorf("%d open", n)
	}
}
