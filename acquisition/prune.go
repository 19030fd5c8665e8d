package acquisition

import (
	"slices"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

const (
	// pruneAfter is how long a tenure lasts before the image is looked through: a takeover has more urgent things to do.
	pruneAfter = 5 * time.Second

	// pruneAtOnce bounds a command.
	pruneAtOnce = 1000
)

// prune takes out of the image what the RTU's table no longer has: points that were removed from the configuration.
func (col *collector) prune() {
	w := col.w
	timer := time.NewTimer(pruneAfter)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-col.ctx.Done():
		return
	}
	for {
		gone := w.unknown()
		if len(gone) == 0 {
			return
		}
		result, err := w.env.Replica.Propose(col.ctx, &fsmpb.Command{Op: &fsmpb.Command_Forget{Forget: &fsmpb.Forget{
			Rtu: w.rtu.Number, Epoch: col.tenure.Epoch(), Points: gone,
		}}})
		if err != nil || result.Code != fsmpb.Result_OK {
			return // the tenure is over, or nothing of it is there: the next one looks again
		}
		w.log.Info("points that are no longer configured were removed", "points", len(gone), "first", gone[0].Point)
		if w.env.Replica.WaitApplied(col.ctx, result.Index) != nil {
			return
		}
	}
}

// unknown are points of the image that the table doesn't have, not all of them if they are many.
func (w *worker) unknown() (gone []*fsmpb.Forget_Point) {
	key := func(kind fsmpb.Kind, number uint32) uint64 { return uint64(kind)<<32 | uint64(number) }
	known := make([]uint64, 0, len(w.table.monitored))
	for i := range w.table.monitored {
		known = append(known, key(w.table.monitored[i].Kind, w.table.monitored[i].Number))
	}
	w.env.Replica.View(func(s *fsm.State) {
		for _, v := range s.Config().GetVirtual() {
			if v.Rtu == w.rtu.Number {
				known = append(known, key(fsmpb.Kind_DI, v.Point))
			}
		}
		slices.Sort(known)
		for k := range s.Points(w.rtu.Number) {
			if _, ok := slices.BinarySearch(known, key(k.Kind.Proto(), k.Point)); !ok && len(gone) < pruneAtOnce {
				gone = append(gone, &fsmpb.Forget_Point{Kind: k.Kind.Proto(), Point: k.Point})
			}
		}
	})
	return gone
}
