package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/sim"
)

// A flood is the events of several devices at the highest rate that the station takes: a window of each device is always
// full, while fewer than most events are between the devices and the control centre. It judges what arrives.
//
// Event e of a device is of point e mod floodPoints, with the time tag base + e ms. So whoever has the tag knows which
// event it is, and what has to come next.
type flood struct {
	perASDU int
	most    uint64    // events under way
	base    time.Time // later than anything that the station itself gives a tag
	devices []*floodDevice

	emitted, arrived atomic.Uint64
	lost, repeated   atomic.Uint64 // skipped by the order at the control centre; come again
	begun, stopped   atomic.Bool
	waiting          atomic.Bool // some device has stopped at most
	firstWrong       atomic.Pointer[string]

	judging sync.Mutex // where the main link moves, the last of the old one meets the first of the new one
}

func newFlood(perASDU int, most uint64) *flood {
	return &flood{perASDU: perASDU, most: most, base: time.Now().Add(time.Minute).Truncate(time.Second)}
}

// floodPoints is how many points a device of a flood has: a multiple of all that fits in an ASDU.
const floodPoints = 440

// floodDevice is one device's part.
type floodDevice struct {
	f  *flood
	ca asdu.CommonAddress

	mu      sync.Mutex
	session *iec104.Session
	sent    uint64 // ASDUs
	emitted uint64 // ASDUs, of which some are perhaps to be sent again
	acked   uint64 // ASDUs
	builder asdu.Builder

	next uint64 // event expected at the control centre; guarded by judging
}

func (f *flood) tag(e uint64) asdu.CP56Time2a {
	return asdu.NewCP56Time2a(f.base.Add(time.Duration(e)*time.Millisecond), time.UTC)
}

func value(e uint64) float64 { return float64(e / floodPoints % 2) }

// source is the device's [iec104.Source] for a started link.
func (d *floodDevice) source(s *iec104.Session) iec104.Source {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.session = s
	return d
}

// Next is for the link.
func (d *floodDevice) Next() (a asdu.ASDU, index uint64, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.f
	if !f.begun.Load() || f.stopped.Load() && d.sent == d.emitted {
		return a, 0, false
	}
	if again := d.sent < d.emitted; !again && f.emitted.Load()-f.arrived.Load() >= f.most {
		f.waiting.Store(true)
		return a, 0, false
	}
	h := asdu.Header{Type: asdu.M_SP_TB_1, Cause: asdu.Spontaneous, CommonAddress: d.ca}
	if d.builder.Reset(asdu.DefaultProfile, h) != nil {
		return a, 0, false
	}
	for i := range uint64(f.perASDU) {
		e := d.sent*uint64(f.perASDU) + i
		o := asdu.Object{Address: asdu.InformationObjectAddress(1 + e%floodPoints), Value: value(e), Time: f.tag(e)}
		if d.builder.Add(o) != nil {
			return a, 0, false // a wrong number of objects, which the command has refused
		}
	}
	d.sent++
	if d.sent > d.emitted {
		d.emitted = d.sent
		f.emitted.Add(uint64(f.perASDU))
	}
	return d.builder.ASDU(), d.sent, true
}

// Acked is for the link.
func (d *floodDevice) Acked(index uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.acked = index
}

// Stopped is for the link. What was not acknowledged is made again on the next one.
func (d *floodDevice) Stopped(error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sent = d.acked
}

// acknowledged is how many events the station has taken over.
func (f *flood) acknowledged() (events uint64) {
	for _, d := range f.devices {
		d.mu.Lock()
		events += d.acked * uint64(f.perASDU)
		d.mu.Unlock()
	}
	return events
}

// complaint is about the first event that was not the expected one; "": there was none.
func (f *flood) complaint() string {
	if w := f.firstWrong.Load(); w != nil {
		return *w
	}
	return ""
}

// fill makes a station's options those of so many devices that emit the flood, and a control centre that judges.
func (f *flood) fill(o *rig.Options, rtus, k int) {
	o.RTUs, o.K, o.OnASDU, o.Judge = nil, k, f.judge, false
	for i := range rtus {
		d := &floodDevice{f: f, ca: asdu.CommonAddress(i + 1)}
		f.devices = append(f.devices, d)
		rtu := rig.RTU{Number: uint32(i + 1), Name: fmt.Sprintf("device %d", i+1), CommonAddress: d.ca, Source: d.source}
		for p := range floodPoints {
			rtu.Points = append(rtu.Points, sim.DevicePoint{Address: asdu.InformationObjectAddress(1 + p), Type: asdu.M_SP_TB_1})
		}
		o.RTUs = append(o.RTUs, rtu)
	}
}

// start lets the events flow, and has those who wait look again, until ctx ends.
func (f *flood) start(ctx context.Context) {
	f.begun.Store(true)
	f.waiting.Store(true)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !f.waiting.Swap(false) {
			continue
		}
		for _, d := range f.devices {
			d.mu.Lock()
			s := d.session
			d.mu.Unlock()
			if s != nil {
				s.Wake()
			}
		}
	}
}

// judge takes what arrives at the control centre, on whichever link.
func (f *flood) judge(_ string, a asdu.ASDU) {
	if a.Type != asdu.M_SP_TB_1 || a.Cause != asdu.Spontaneous {
		return
	}
	f.judging.Lock()
	defer f.judging.Unlock()
	for o := range a.Objects() {
		rtu, point := rig.UplinkPoint(o.Address)
		device := int(rtu) - 1
		if device < 0 || device >= len(f.devices) {
			continue
		}
		d := f.devices[device]
		if o.Time == f.tag(d.next) && point == int(d.next%floodPoints) && o.Value == value(d.next) {
			d.next++
			f.arrived.Add(1)
			continue
		}
		f.wrong(d, device, point, o)
	}
}

// wrong finds out what an event is that was not expected.
func (f *flood) wrong(d *floodDevice, device, point int, o asdu.Object) {
	at, err := o.Time.Time(time.UTC)
	if err == nil && at.Before(f.base) {
		return // the answer to an interrogation: not of the flood
	}
	e := uint64(at.Sub(f.base) / time.Millisecond)
	what := fmt.Sprintf("device %d, point %d at %v value %g, expected event %d", device+1, point+1, at, o.Value, d.next)
	f.firstWrong.CompareAndSwap(nil, &what)
	if err != nil || int(e%floodPoints) != point || e < d.next {
		f.repeated.Add(1)
		return
	}
	f.lost.Add(e - d.next)
	f.arrived.Add(e - d.next + 1) // for the number under way
	d.next = e + 1
}

// settle stops the devices and waits until all that was emitted has arrived.
func (f *flood) settle(ctx context.Context) error {
	f.stopped.Store(true)
	for f.arrived.Load() < f.emitted.Load() {
		if err := rig.Pause(ctx, 10*time.Millisecond); err != nil {
			return fmt.Errorf("%d of %d events have arrived: %w", f.arrived.Load(), f.emitted.Load(), err)
		}
	}
	return nil
}
