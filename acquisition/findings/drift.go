package findings

import (
	"time"

	"github.com/fepha/fepha/condition"
)

// A device's clock is judged by what it sends spontaneously: the tag can't be later than the arrival. It may be much earlier,
// if the device had to keep the event, so of several the latest counts, and only if it stays so.
const (
	driftWindow    = 10 * time.Second
	driftSamples   = 3               // that a window has at least
	driftTolerance = 2 * time.Second // for the way, and for the device's own ways
	driftZone      = 15 * time.Minute
	driftZoneNear  = 30 * time.Second // how near to a multiple of that an offset is called one
)

// Drift watches how far a device's clock is off. It has no lock.
type Drift struct {
	Zone   string    // in which the tags are read, for people
	began  time.Time // of the window; zero: there is none
	n      int
	latest time.Duration // of the window: tag less arrival
	before time.Duration // of the window before
	known  bool          // there was one
}

// Sample takes the tag of an event that the device has sent spontaneously, and reports once a window is over.
func (d *Drift) Sample(tagMs int64, came time.Time, f *Findings) {
	off := time.Duration(tagMs-came.UnixMilli()) * time.Millisecond
	if d.began.IsZero() {
		d.began, d.n, d.latest = came, 0, off
	}
	d.n++
	d.latest = max(d.latest, off)
	if d.n < driftSamples || came.Sub(d.began) < driftWindow {
		return
	}
	if d.known && (d.latest-d.before).Abs() < driftTolerance {
		d.report(f)
	}
	d.before, d.known, d.began = d.latest, true, time.Time{}
}

func (d *Drift) report(f *Findings) {
	off := d.latest
	zones := off.Round(driftZone)
	inZone := zones != 0 && (off-zones).Abs() <= driftZoneNear
	f.State(condition.DeviceZone, inZone, offsetWords(off), d.Zone)
	f.State(condition.DeviceClock, !inZone && off.Abs() > driftTolerance, offsetWords(off))
}

// offsetWords is an offset as one says it, such as +8h0m0s or -3.2s.
func offsetWords(d time.Duration) string {
	if d = d.Round(100 * time.Millisecond); d.Abs() >= time.Minute {
		d = d.Round(time.Second)
	}
	if d < 0 {
		return d.String()
	}
	return "+" + d.String()
}
