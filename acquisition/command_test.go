package acquisition

import (
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104/asdu"
)

func TestCommand(t *testing.T) {
	do := func(typ asdu.TypeID, invert bool) Point {
		return Point{Kind: fsmpb.Kind_DO, Number: 5, Address: 9, Type: typ, Invert: invert}
	}
	ao := func(typ asdu.TypeID, a *Analog) Point {
		return Point{Kind: fsmpb.Kind_AO, Number: 5, Address: 9, Type: typ, Analog: a}
	}
	const (
		sc, dc, rc, nc = asdu.C_SC_NA_1, asdu.C_DC_NA_1, asdu.C_RC_NA_1, asdu.C_SE_NC_1
		pc, ac         = asdu.P_ME_NC_1, asdu.P_AC_NA_1
	)
	for _, c := range []struct {
		what    string
		point   Point
		control fsm.Control
		typ     asdu.TypeID
		value   float64
		refused string
	}{
		{"single as single", do(sc, false), fsm.Control{Type: uint8(sc), Value: 1}, sc, 1, ""},
		{"single as double", do(dc, false), fsm.Control{Type: uint8(sc), Value: 1}, dc, 2, ""},
		{"double as single", do(sc, false), fsm.Control{Type: uint8(dc), Value: 1}, sc, 0, ""},
		{"step as step", do(rc, false), fsm.Control{Type: uint8(rc), Value: 2}, rc, 2, ""},
		{"inverted", do(dc, true), fsm.Control{Type: uint8(sc), Value: 1}, dc, 1, ""},
		{"no type in the table", do(0, false), fsm.Control{Type: uint8(dc), Value: 2}, dc, 2, ""},
		{"with time", do(asdu.C_SC_TA_1, false), fsm.Control{Type: uint8(sc), Value: 0}, asdu.C_SC_TA_1, 0, ""},
		{"no state", do(sc, false), fsm.Control{Type: uint8(dc), Value: 3}, 0, 0, "expected 1 or 2"},
		{"half a state", do(sc, false), fsm.Control{Type: uint8(sc), Value: 0.5}, 0, 0, "expected 0 or 1"},
		{"a set point for a switch", do(sc, false), fsm.Control{Type: uint8(nc), Value: 1}, 0, 0, "can't be operated by C_SE_NC_1"},
		{"set point", ao(nc, analog(func(a *Analog) { a.Scale, a.Offset = 2, 10 })), fsm.Control{Type: uint8(nc), Value: 20}, nc, 5, ""},
		{"at the end of the range", ao(nc, analog(func(a *Analog) { a.Low, a.High = 0, 20 })), fsm.Control{Type: uint8(nc), Value: 20}, nc, 20, ""},
		{"parameter", ao(pc, analog(func(a *Analog) { a.Scale, a.Offset = 2, 10 })), fsm.Control{Type: uint8(pc), Value: 20}, pc, 5, ""},
		{"parameter as another", ao(asdu.P_ME_NB_1, nil), fsm.Control{Type: uint8(pc), Value: 20}, asdu.P_ME_NB_1, 20, ""},
		{"activation", ao(ac, nil), fsm.Control{Type: uint8(ac), Value: 1}, ac, 1, ""},
		{"activation of half", ao(ac, nil), fsm.Control{Type: uint8(ac), Value: 0.5}, 0, 0, "expected 1 to activate"},
		{"set point for a parameter", ao(pc, nil), fsm.Control{Type: uint8(nc), Value: 1}, 0, 0, "can't be operated by C_SE_NC_1"},
		{"parameter for a set point", ao(nc, nil), fsm.Control{Type: uint8(pc), Value: 1}, 0, 0, "can't be operated by P_ME_NC_1"},
		{"activation for a parameter", ao(pc, nil), fsm.Control{Type: uint8(ac), Value: 1}, 0, 0, "can't be operated by P_AC_NA_1"},
		{"parameter selected", ao(pc, nil), fsm.Control{Type: uint8(pc), Value: 1, Phase: fsm.Select}, 0, 0, "can't be selected"},
		{"beyond it", ao(nc, analog(func(a *Analog) { a.Low, a.High = 0, 20 })), fsm.Control{Type: uint8(nc), Value: 20.5}, 0, 0, "expected 0 to 20"},
	} {
		c.control.Kind = fsm.Kind(c.point.Kind)
		now := time.Date(2024, 5, 6, 7, 8, 9, 0, shanghai)
		cmd, err := c.point.command(c.control, Operation{}, 3, shanghai, now)
		if c.refused != "" {
			if err == nil || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("%s: %v, expected a refusal with %q", c.what, err, c.refused)
			}
			continue
		}
		if err != nil || cmd.Type != c.typ || cmd.Object.Value != c.value || cmd.Object.Address != 9 || cmd.CommonAddress != 3 {
			t.Errorf("%s: %+v %v, expected %v %v", c.what, cmd, err, c.typ, c.value)
		}
		if got, err := cmd.Object.Time.Time(shanghai); (c.typ.TimeTag() == asdu.CP56) != (err == nil && got.Equal(now)) {
			t.Errorf("%s: time %v %v", c.what, got, err)
		}
	}

	for phase, want := range map[fsm.ControlPhase]struct {
		qualifier uint8
		await     bool
	}{
		fsm.Direct: {0x0c, true}, fsm.Execute: {0x0c, true}, fsm.Select: {0x8c, false}, fsm.Cancel: {0x8c, false},
	} {
		p := do(sc, false)
		cmd, err := p.command(fsm.Control{Kind: fsm.DO, Type: uint8(sc), Value: 1, Qualifier: 0x0c, Phase: phase}, Operation{Qualifier: 4, Select: SelectDevice}, 1, time.UTC, time.Now())
		if err != nil || cmd.Object.Qualifier != want.qualifier || cmd.AwaitTermination != want.await {
			t.Errorf("%v: qualifier %#x, await %v, %v", phase, cmd.Object.Qualifier, cmd.AwaitTermination, err)
		}
		if cmd.SelectFirst != (phase == fsm.Direct) {
			t.Errorf("%v: selects first: %v", phase, cmd.SelectFirst)
		}
		cmd, _ = p.command(fsm.Control{Kind: fsm.DO, Type: uint8(sc), Value: 1, Phase: phase}, Operation{Qualifier: 4}, 1, time.UTC, time.Now())
		if cmd.Object.Qualifier&^asdu.SelectBit != 4 || cmd.SelectFirst {
			t.Errorf("%v: qualifier %#x without one asked for, expected that of the table", phase, cmd.Object.Qualifier)
		}
	}
}

// A parameter's qualifier goes to the device as it is, POP too, which stands where commands have S/E; an activation is taken back by cause 8.
func TestParameterCommand(t *testing.T) {
	for _, c := range []struct {
		typ        asdu.TypeID
		value      float64
		qualifier  uint8
		deactivate bool
	}{{asdu.P_ME_NA_1, 0.5, 0xc1, false}, {asdu.P_AC_NA_1, 1, 3, false}, {asdu.P_AC_NA_1, 0, 3, true}} {
		p := Point{Kind: fsmpb.Kind_AO, Number: 5, Address: 9, Type: c.typ}
		cmd, err := p.command(fsm.Control{Kind: fsm.AO, Type: uint8(c.typ), Value: c.value, Qualifier: c.qualifier}, Operation{Qualifier: 7}, 3, time.UTC, time.Now())
		if err != nil || cmd.Object.Qualifier != c.qualifier || cmd.Deactivate != c.deactivate || cmd.AwaitTermination || cmd.SelectFirst {
			t.Errorf("%v: %+v, %v", c.typ, cmd, err)
		}
	}
}
