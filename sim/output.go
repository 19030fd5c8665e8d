package sim

import (
	"slices"
	"sync"
	"time"

	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

// An Operation is something that a device has done. What was only selected is
// none.
type Operation struct {
	At      time.Time
	Address asdu.InformationObjectAddress
	Type    asdu.TypeID
	Value   float64
}

// Manner is how a device executes a command. It operates at once.
type Manner struct {
	Confirm   time.Duration // how long it takes to confirm (ACTCON)
	Terminate time.Duration // and then to terminate (ACTTERM)
	Silent    bool          // it answers nothing at all
}

// outputs are what a device did with its outputs.
type outputs struct {
	answering sync.WaitGroup
	ending    chan struct{} // closed when the device is

	mu     sync.Mutex
	manner Manner
	done   []Operation
}

// SetManner changes how the device executes commands from now on.
func (d *Device) SetManner(m Manner) {
	d.outputs.mu.Lock()
	defer d.outputs.mu.Unlock()
	d.outputs.manner = m
}

// Operations are all that the device has done, in order.
func (d *Device) Operations() []Operation {
	d.outputs.mu.Lock()
	defer d.outputs.mu.Unlock()
	return slices.Clone(d.outputs.done)
}

// Operated is how often an output was operated.
func (d *Device) Operated(a asdu.InformationObjectAddress) (times int) {
	for _, o := range d.Operations() {
		if o.Address == a {
			times++
		}
	}
	return times
}

func (d *Device) output(t asdu.TypeID, ioa asdu.InformationObjectAddress) (p DevicePoint, ok bool) {
	i := slices.IndexFunc(d.cfg.Points, func(p DevicePoint) bool { return p.Address == ioa && p.Type == t })
	if i < 0 {
		return p, false
	}
	return d.cfg.Points[i], true
}

func (d *Device) hasOutput(_ asdu.CommonAddress, t asdu.TypeID, ioa asdu.InformationObjectAddress) bool {
	_, ok := d.output(t, ioa)
	return ok
}

func (d *Device) selectRequired(_ asdu.CommonAddress, t asdu.TypeID, ioa asdu.InformationObjectAddress) bool {
	p, _ := d.output(t, ioa)
	return p.Select || d.has(SelectRequired)
}

func (d *Device) operate(c *iec104.Call) {
	o := &d.outputs
	o.mu.Lock()
	o.done = append(o.done, Operation{time.Now(), c.Object.Address, c.ASDU.Type, c.Object.Value})
	m := o.manner
	o.mu.Unlock()
	d.mu.Lock()
	d.values[c.Object.Address] = c.Object.Value
	d.mu.Unlock()
	switch {
	case m.Silent:
	case d.has(NeverConfirms):
		d.returned(c)
	case d.has(NeverTerminates):
		_ = c.Confirm() // on a link that is lost meanwhile nobody waits for it
	case m == Manner{}:
		answer(c, m, nil)
	default:
		o.answering.Go(func() { answer(c, m, o.ending) })
	}
}

// parameter takes a parameter, or its activation, and confirms it; its activation is taken back by cause 8.
func (d *Device) parameter(c *iec104.Call) {
	o := &d.outputs
	_, known := d.output(c.ASDU.Type, c.Object.Address)
	back := c.ASDU.Cause == asdu.Deactivation && c.ASDU.Type == asdu.P_AC_NA_1
	switch {
	case !known:
		_ = c.Reject(asdu.UnknownObjectAddress)
	case c.ASDU.Cause != asdu.Activation && !back:
		_ = c.Reject(asdu.UnknownCause)
	default:
		o.mu.Lock()
		value := c.Object.Value
		if c.ASDU.Type == asdu.P_AC_NA_1 && !back {
			value = 1
		}
		o.done = append(o.done, Operation{time.Now(), c.Object.Address, c.ASDU.Type, value})
		o.mu.Unlock()
		_ = c.Confirm() // on a link that is lost meanwhile nobody waits for it
	}
}

// answer answers in the device's manner. A link that is lost meanwhile needs
// no answer.
func answer(c *iec104.Call, m Manner, ending <-chan struct{}) {
	if passes(m.Confirm, ending) && c.Confirm() == nil && passes(m.Terminate, ending) {
		_ = c.Terminate()
	}
}

// passes waits; false if the device ended meanwhile.
func passes(d time.Duration, ending <-chan struct{}) bool {
	if d <= 0 {
		return true
	}
	select {
	case <-time.After(d):
		return true
	case <-ending:
		return false
	}
}

// end waits until nothing is to be answered any more.
func (o *outputs) end() {
	close(o.ending)
	o.answering.Wait()
}
