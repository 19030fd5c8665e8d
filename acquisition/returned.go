package acquisition

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

// Return information instead of a confirmation: some devices answer no command, and only report the state that it has brought
// about (101, clause 6.8; RTU.ConfirmByState).

// watch is someone who waits for values of a point.
type watch struct {
	place int // in the table
	seen  func(*value)
}

// watch calls seen with each value of a monitored point as it comes, before it's proposed, until stop.
func (p *pipeline) watch(place int, seen func(*value)) (stop func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := &watch{place, seen}
	p.intake.watches = append(p.intake.watches, w)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.intake.watches = slices.DeleteFunc(p.intake.watches, func(o *watch) bool { return o == w })
	}
}

// flush proposes what waits, so that it comes before what is proposed next.
func (p *pipeline) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended && !p.intake.empty() {
		p.propose()
	}
}

// isOn tells whether a DI's value says on; ok is false if it says neither on nor off, or isn't good.
func (v *value) isOn() (on, ok bool) {
	if v.quality&(asdu.IV|asdu.NT) != 0 {
		return false, false
	}
	low := 1.0
	if v.typ.Untimed() == asdu.M_SP_NA_1 {
		low = 0
	}
	return v.value == low+1, v.value == low || v.value == low+1
}

// wantsOn tells whether a control of a DO asks for on, which command has found to be on or off.
func wantsOn(c fsm.Control, sent asdu.TypeID) bool {
	asked := asdu.TypeID(c.Type)
	if asked == 0 {
		asked = sent
	}
	if asked.Untimed() == asdu.C_SC_NA_1 {
		return c.Value == 1
	}
	return c.Value == 2
}

// operateByState sends a command and waits until the DI that shows its state says that it was done. A refusal, or a link that
// is lost, ends it before. Its confirmation is proposed before the state's event, and its end after that.
func (p *part) operateByState(ctx context.Context, s *session, c fsm.Control, cmd iec104.Command, shown int) (r *fsmpb.ControlResult, answered bool) {
	col := p.col
	want := wantsOn(c, cmd.Type)
	reached := make(chan struct{})
	var once sync.Once
	defer p.pipeline.watch(shown, func(v *value) {
		if on, ok := v.isOn(); ok && on == want {
			once.Do(func() {
				col.answer(c, &fsmpb.ControlResult{Ok: true, Cause: uint32(asdu.RemoteReturn)})
				close(reached)
			})
		}
	})()
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	type reply struct {
		result   *fsmpb.ControlResult
		answered bool
	}
	replied := make(chan reply, 1)
	col.wg.Go(func() {
		result, answered := col.operate(waiting, s, c, cmd)
		replied <- reply{result, answered}
	})
	said := "said nothing"
	select {
	case <-reached:
	case got := <-replied:
		if !got.result.Ok && ctx.Err() == nil {
			return got.result, got.answered
		}
		if got.result.Ok {
			said = "says that it's done"
		}
		select {
		case <-reached:
		case <-ctx.Done():
			di := &p.table.monitored[shown]
			return &fsmpb.ControlResult{Cause: got.result.Cause, Reason: fmt.Sprintf(
				"outcome unknown: the device %s, and di %d has not become %s", said, di.Number, onOff(want))}, true
		}
	}
	p.pipeline.flush()
	return &fsmpb.ControlResult{Ok: true, Cause: uint32(asdu.RemoteReturn)}, true
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
