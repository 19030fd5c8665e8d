package acquisition

import (
	"cmp"
	"fmt"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104"
)

// command is a control as the device is to get it.
func (p *Point) command(c fsm.Control, how Operation, address iec104.CommonAddress, location *time.Location, now time.Time) (iec104.Command, error) {
	typ, asked := p.Type, iec104.TypeID(c.Type)
	if typ == 0 {
		typ = asked
	}
	if asked == 0 {
		asked = typ
	}
	if !commands(p.Kind, typ) || !commands(p.Kind, asked) {
		return iec104.Command{}, fmt.Errorf("%v %d can't be operated by %v as %v", c.Kind, p.Number, asked, typ)
	}
	var (
		value float64
		err   error
	)
	if p.Kind == fsmpb.Kind_DO {
		value, err = p.state(asked, typ, c.Value)
	} else {
		value, err = p.setPoint(c.Value)
	}
	if err != nil {
		return iec104.Command{}, err
	}
	o := iec104.Object{Address: p.Address, Value: value, Qualifier: cmp.Or(c.Qualifier, how.Qualifier) &^ iec104.SelectBit}
	if c.Phase == fsm.Select || c.Phase == fsm.Cancel {
		o.Qualifier |= iec104.SelectBit
	}
	if typ.TimeTag() == iec104.CP56 {
		o.Time = iec104.NewCP56Time2a(now, location)
	}
	return iec104.Command{
		CommonAddress:    address,
		Type:             typ,
		Object:           o,
		SelectFirst:      c.Phase == fsm.Direct && how.Select == SelectDevice,
		AwaitTermination: executes(c.Phase),
	}, nil
}

// state turns off and on as they were asked for (0 and 1 of a single command, 1 and 2 of the others) into those of the
// type that the device knows.
func (p *Point) state(asked, typ iec104.TypeID, v float64) (float64, error) {
	single := func(t iec104.TypeID) bool { return t.Untimed() == iec104.C_SC_NA_1 }
	low := 1.0
	if single(asked) {
		low = 0
	}
	if v != low && v != low+1 {
		return 0, fmt.Errorf("%v %v of DO %d, expected %v or %v", asked, v, p.Number, low, low+1)
	}
	on := v - low
	if p.Invert {
		on = 1 - on
	}
	if single(typ) {
		return on, nil
	}
	return on + 1, nil
}

// setPoint turns an engineering value into the device's.
func (p *Point) setPoint(v float64) (float64, error) {
	a := p.Analog
	if a == nil {
		return v, nil
	}
	if !(v >= a.Low && v <= a.High) {
		return 0, fmt.Errorf("%v for AO %d, expected %v to %v", v, p.Number, a.Low, a.High)
	}
	return (v - a.Offset) / a.Scale, nil
}
