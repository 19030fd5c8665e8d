package acquisition

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104/asdu"
)

// table is an RTU's points in the form that traffic needs. It doesn't change.
type table struct {
	monitored []Point // by address
	controls  []Point // by kind and number
	counters  bool    // whether there is a counter to interrogate
}

func newTable(points []Point) *table {
	t := &table{}
	for _, p := range points {
		switch p.Kind {
		case fsmpb.Kind_DO, fsmpb.Kind_AO:
			t.controls = append(t.controls, p)
		default:
			t.monitored = append(t.monitored, p)
			t.counters = t.counters || p.Kind == fsmpb.Kind_COUNTER
		}
	}
	slices.SortFunc(t.monitored, func(a, b Point) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Bit, b.Bit))
	})
	slices.SortFunc(t.controls, func(a, b Point) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Number, b.Number))
	})
	return t
}

// find returns the place of the monitored point with this address, the first one of those that are bits of it. hint is where it likely is: the objects of an ASDU
// mostly come in order.
func (t *table) find(address asdu.InformationObjectAddress, hint int) (int, bool) {
	if hint >= 0 && hint < len(t.monitored) && t.monitored[hint].Address == address && t.monitored[hint].Bit == 0 {
		return hint, true
	}
	return slices.BinarySearchFunc(t.monitored, address, func(p Point, a asdu.InformationObjectAddress) int {
		return cmp.Compare(p.Address, a)
	})
}

// monitoredPoint returns the place of the monitored point with this number. It looks at all of them.
func (t *table) monitoredPoint(kind fsmpb.Kind, number uint32) (place int, ok bool) {
	place = slices.IndexFunc(t.monitored, func(p Point) bool { return p.Kind == kind && p.Number == number })
	return place, place >= 0
}

// control returns the DO or AO with this number.
func (t *table) control(kind fsmpb.Kind, number uint32) (Point, bool) {
	i, ok := slices.BinarySearchFunc(t.controls, number, func(p Point, n uint32) int {
		return cmp.Or(cmp.Compare(p.Kind, kind), cmp.Compare(p.Number, n))
	})
	if !ok {
		return Point{}, false
	}
	return t.controls[i], true
}

// equal tells whether both tables say the same.
func (t *table) equal(o *table) bool {
	same := func(a, b Point) bool {
		if (a.Analog == nil) != (b.Analog == nil) || a.Analog != nil && *a.Analog != *b.Analog {
			return false
		}
		if (a.Chatter == nil) != (b.Chatter == nil) || a.Chatter != nil && *a.Chatter != *b.Chatter {
			return false
		}
		a.Analog, b.Analog, a.Chatter, b.Chatter = nil, nil, nil, nil
		return a == b
	}
	return slices.EqualFunc(t.monitored, o.monitored, same) && slices.EqualFunc(t.controls, o.controls, same)
}

// check returns what's wrong with a point by itself.
func (p Point) check() error {
	if p.Kind < fsmpb.Kind_DI || p.Kind > fsmpb.Kind_BITSTRING {
		return fmt.Errorf("kind %d, expected DI, AI, COUNTER, DO, AO or BITSTRING", p.Kind)
	}
	command := p.Kind == fsmpb.Kind_DO || p.Kind == fsmpb.Kind_AO
	switch {
	case p.Type == 0:
	case command && !commands(p.Kind, p.Type), !command && !bears(p.Type, p.Kind):
		return fmt.Errorf("%v, which no %v has", p.Type, p.Kind)
	}
	if a := p.Analog; a != nil {
		switch {
		case a.Scale == 0 || math.IsNaN(a.Scale) || math.IsInf(a.Scale, 0):
			return fmt.Errorf("scale %v, expected a number other than 0", a.Scale)
		case !(a.Deadband >= 0):
			return fmt.Errorf("deadband %v, expected 0 or more", a.Deadband)
		case !(a.Low < a.High):
			return fmt.Errorf("range %v to %v, expected low to high", a.Low, a.High)
		}
	}
	return nil
}

// bears tells whether objects of this type may be values of such points.
func bears(t asdu.TypeID, kind fsmpb.Kind) bool {
	switch t {
	case asdu.M_SP_NA_1, asdu.M_SP_TA_1, asdu.M_SP_TB_1,
		asdu.M_DP_NA_1, asdu.M_DP_TA_1, asdu.M_DP_TB_1,
		asdu.M_EP_TA_1, asdu.M_EP_TD_1:
		return kind == fsmpb.Kind_DI
	case asdu.M_EP_TB_1, asdu.M_EP_TC_1, asdu.M_EP_TE_1, asdu.M_EP_TF_1:
		return kind == fsmpb.Kind_DI || kind == fsmpb.Kind_BITSTRING
	case asdu.M_ST_NA_1, asdu.M_ST_TA_1, asdu.M_ST_TB_1:
		return kind == fsmpb.Kind_DI || kind == fsmpb.Kind_AI
	case asdu.M_BO_NA_1, asdu.M_BO_TA_1, asdu.M_BO_TB_1, asdu.M_PS_NA_1:
		return kind == fsmpb.Kind_DI || kind == fsmpb.Kind_AI || kind == fsmpb.Kind_BITSTRING
	case asdu.M_ME_NA_1, asdu.M_ME_TA_1, asdu.M_ME_TD_1, asdu.M_ME_ND_1,
		asdu.M_ME_NB_1, asdu.M_ME_TB_1, asdu.M_ME_TE_1,
		asdu.M_ME_NC_1, asdu.M_ME_TC_1, asdu.M_ME_TF_1:
		return kind == fsmpb.Kind_AI
	case asdu.M_IT_NA_1, asdu.M_IT_TA_1, asdu.M_IT_TB_1:
		return kind == fsmpb.Kind_COUNTER
	}
	return false
}

// packed tells whether objects of this type have a point in each bit.
func packed(t asdu.TypeID) bool {
	switch t.Untimed() {
	case asdu.M_BO_NA_1, asdu.M_PS_NA_1, asdu.M_EP_TB_1, asdu.M_EP_TC_1, asdu.M_EP_TE_1, asdu.M_EP_TF_1:
		return true
	}
	return false
}

// tells tells whether objects of this type say what such points mean: which state, which number. Others are taken over
// too, as invalid.
func tells(t asdu.TypeID, kind fsmpb.Kind) bool {
	switch t.Untimed() {
	case asdu.M_ST_NA_1:
		return kind == fsmpb.Kind_AI
	case asdu.M_BO_NA_1, asdu.M_PS_NA_1, asdu.M_EP_TB_1, asdu.M_EP_TC_1, asdu.M_EP_TE_1, asdu.M_EP_TF_1:
		return kind == fsmpb.Kind_BITSTRING
	}
	return bears(t, kind)
}

// commands tells whether such points may be operated with this type.
func commands(kind fsmpb.Kind, t asdu.TypeID) bool {
	switch t.Untimed() {
	case asdu.C_SC_NA_1, asdu.C_DC_NA_1, asdu.C_RC_NA_1:
		return kind == fsmpb.Kind_DO
	case asdu.C_SE_NA_1, asdu.C_SE_NB_1, asdu.C_SE_NC_1, asdu.C_BO_NA_1,
		asdu.P_ME_NA_1, asdu.P_ME_NB_1, asdu.P_ME_NC_1, asdu.P_AC_NA_1:
		return kind == fsmpb.Kind_AO
	}
	return false
}
