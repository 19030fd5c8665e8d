package channeltab

import (
	"testing"
	"time"
)

func TestBasic(t *testing.T) {
	w := newWorld(t, 1)
	w.centre(900, 1, nil)
	a, b := w.station(1).begin(), w.station(2).begin()
	took := w.until(5*time.Second, "registered", func() bool {
		return a.core.reg.state == Registered && b.core.reg.state == Registered
	})
	t.Log("registered after", took)
	took = w.until(5*time.Second, "converged", w.converged)
	t.Log("converged after", took)
	for s := range w.group.table().All() {
		t.Logf("%+v", s)
	}
	h, err := a.send(2, "hello", AnyOrder)
	t.Log(h, err)
	took = w.until(5*time.Second, "acked", func() bool { _, ok := a.results[h]; return ok })
	t.Log("acked after", took, a.results[h], b.got)
	w.run(100 * time.Second)
	t.Logf("%+v", a.core.stats)
	t.Logf("%+v", w.group.nodes[0].core.stats)
	b.crash()
	took = w.until(50*time.Second, "offline", func() bool { e, _ := a.core.table.copy.ByID(2); return !e.Online })
	t.Log("offline after", took)
}
