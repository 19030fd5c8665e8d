package configs

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104/asdu"
)

// SelectMode is whether a control is selected before it's operated (IEC 60870-5-101, 6.8).
type SelectMode uint8

const (
	SelectAsked    SelectMode = iota // as whoever asks for it does; default
	SelectDevice                     // a direct command is selected and executed at the device
	SelectRequired                   // a direct command is refused
)

var selectNames = [...]string{SelectDevice: "device", SelectRequired: "required"}

// ControlKey is a point within an RTU whose row says something that few do: mostly a control.
type ControlKey struct {
	Kind   fsm.Kind
	Number uint32
}

// Control is how a control is operated, as far as its row says so.
type Control struct {
	Select    SelectMode
	Qualifier uint8   // QU of a DO or QL of an AO, its bits as in the octet; 0: as it was asked for
	State     *uint32 // number of the DI of the same RTU that shows the state of a DO; nil: none does
}

// control reads how a control is operated; false where nothing is said.
func (r *row) control(p *Point) (c Control, said bool) {
	if r.means(rtuSelect, p.Kind) {
		text := strings.ToLower(r.text(rtuSelect))
		i := slices.Index(selectNames[:], text)
		switch {
		case i < 0:
			r.fail(rtuSelect, quote(text)+" is unknown", "device, required or nothing")
		case i > 0 && (p.Type.Untimed() == asdu.C_BO_NA_1 || p.Type.IsParameter()):
			r.fail(rtuSelect, p.Type.String()+" can't be selected", "nothing")
		default:
			c.Select = SelectMode(i)
		}
	}
	if r.means(rtuQualifier, p.Kind) {
		c.Qualifier = r.qualifier(rtuQualifier, p)
	}
	if r.means(rtuState, p.Kind) && r.text(rtuState) != "" {
		if p.Type.Untimed() == asdu.C_RC_NA_1 {
			r.fail(rtuState, "no state shows that "+p.Type.String()+" has gone a step", "nothing")
		} else if n, ok := r.uint(rtuState, 0, math.MaxUint32); ok {
			c.State = &n
		}
	}
	return c, c.Select != SelectAsked || c.Qualifier != 0 || c.State != nil
}

func (r *row) qualifier(column int, p *Point) uint8 {
	text := r.text(column)
	octet, err := fsm.ParseQualifier(p.Kind, text)
	switch {
	case err != nil && p.Kind == fsm.DO:
		r.fail(column, quote(text)+" is unknown", "short, long, persistent, or QU, 0 to 31")
	case err != nil:
		r.fail(column, quote(text)+" is unknown", "QL, 0 to 127")
	case octet != 0 && p.Type.Untimed() == asdu.C_BO_NA_1:
		r.fail(column, p.Type.String()+" has no qualifier", "nothing")
	}
	return octet
}

// shows is a row's statement that a DI shows a control's state, to be checked when all rows are known.
type shows struct {
	point uint32
	wrong Error
}

// checkStates reports states that no DI shows.
func (l *loader) checkStates(points []Point, states []shows) {
	for _, s := range states {
		if _, ok := find(points, pointKey{fsm.DI, s.point}); !ok {
			l.errs.add(s.wrong)
		}
	}
}

// checkConfirmed makes sure that where states confirm controls, each has one, but for steps, which the device confirms.
func (l *loader) checkConfirmed(r *RTU, key string) {
	if r.Confirm != ConfirmState {
		return
	}
	for i := range r.Points {
		p := &r.Points[i]
		if p.Kind == fsm.DO && p.Type.Untimed() != asdu.C_RC_NA_1 && r.Controls[ControlKey{fsm.DO, p.Number}].State == nil {
			l.doc.fail(key+".confirm", fmt.Sprintf("state: do point %d of %s has no state", p.Number, r.Table.Name),
				"the number of the di that shows it, in column state")
		}
	}
}
