package acquisition

import "sync/atomic"

// Counters are what was counted of an RTU since the process started.
type Counters struct {
	RTU uint32

	Connected      uint64 // connections made for use or to be held
	Failed         uint64 // attempts that made none
	Started        uint64 // STARTDT confirmed
	Lost           uint64 // connections that ended against this node's will
	Interrogations uint64 // that ended well; others are in Faults

	ASDUs uint64 // received from started links
	Items uint64 // values proposed

	Controls        uint64 // taken on
	ControlsRefused uint64 // that ended with a negative answer

	Faults map[string]uint64 // by kind; only those that occurred
}

// counts are the counters as they are counted.
type counts struct {
	answers atomic.Uint64 // ASDUs that came in answer to an interrogation

	connected, started, interrogations, asdus, items, controls, controlsRefused atomic.Uint64
}

// counters reads them.
func (w *worker) counters() Counters {
	c := Counters{
		RTU:             w.rtu.Number,
		Connected:       w.counts.connected.Load(),
		Failed:          w.faults.counts[linkFailed].Load(),
		Started:         w.counts.started.Load(),
		Lost:            w.faults.counts[linkLost].Load(),
		Interrogations:  w.counts.interrogations.Load(),
		ASDUs:           w.counts.asdus.Load(),
		Items:           w.counts.items.Load(),
		Controls:        w.counts.controls.Load(),
		ControlsRefused: w.counts.controlsRefused.Load(),
		Faults:          map[string]uint64{},
	}
	for what, name := range deviceFaultNames {
		if n := w.faults.counts[what].Load(); n > 0 {
			c.Faults[name] = n
		}
	}
	return c
}
