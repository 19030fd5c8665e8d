package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

// Emit changes the device's single points in turn, rate events a second,
// perASDU in each ASDU, until ctx ends. What a full queue can't take is not
// emitted, so that Sent stays the truth.
func (d *Device) Emit(ctx context.Context, rate float64, perASDU int) {
	var points []asdu.InformationObjectAddress
	for _, p := range d.cfg.Points {
		if p.Type == asdu.M_SP_TB_1 {
			points = append(points, p.Address)
		}
	}
	if rate <= 0 || len(points) == 0 {
		return
	}
	perASDU = max(1, min(perASDU, len(points)))
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	begin, emitted, next := time.Now(), 0, 0
	changes := make([]asdu.Object, 0, perASDU)
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for due := int(now.Sub(begin).Seconds() * rate); emitted+perASDU <= due; {
				changes = changes[:0]
				for range perASDU {
					ioa := points[next]
					next = (next + 1) % len(points)
					changes = append(changes, asdu.Object{Address: ioa, Value: 1 - d.Value(ioa)})
				}
				if d.Change(asdu.M_SP_TB_1, now, changes...) != nil {
					begin, emitted = now, 0 // full: go on at the same rate once there is room
					break
				}
				emitted += perASDU
			}
		}
	}
}

// Replay plays a recording with its spacing divided by speed, once or, with
// loop, over and over, until ctx ends. A full queue delays it.
func (d *Device) Replay(ctx context.Context, rec Recording, speed float64, loop bool) error {
	if speed <= 0 {
		return fmt.Errorf("replay speed %g: expected more than 0", speed)
	}
	for {
		begin := time.Now()
		for _, r := range rec.ASDUs {
			if !sleepUntil(ctx, begin.Add(time.Duration(float64(r.Offset)/speed))) {
				return ctx.Err()
			}
			for errors.Is(d.Play(r.ASDU, time.Now()), iec104.ErrNoRoom) {
				if !sleepUntil(ctx, time.Now().Add(10*time.Millisecond)) {
					return ctx.Err()
				}
			}
		}
		// A recording shorter than a second would turn the loop into a flood.
		if !loop || !sleepUntil(ctx, time.Now().Add(time.Second)) {
			return ctx.Err()
		}
	}
}

// sleepUntil reports whether t came before ctx ended.
func sleepUntil(ctx context.Context, t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
