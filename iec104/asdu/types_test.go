package asdu_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/internal/asdutest"
)

// The list at the end of the conformance table.
func TestTypes_Complete(t *testing.T) {
	var want []asdu.TypeID
	for _, r := range [][2]asdu.TypeID{{1, 21}, {30, 40}, {45, 51}, {58, 64}, {70, 70}, {100, 107}, {110, 113}} {
		for typ := r[0]; typ <= r[1]; typ++ {
			want = append(want, typ)
		}
	}
	if !slices.Equal(asdutest.Types, want) {
		t.Errorf("known types are %d, want %d", asdutest.Types, want)
	}
}

func TestTypes_Names(t *testing.T) {
	seen := map[string]asdu.TypeID{}
	for _, typ := range asdutest.Types {
		name := typ.String()
		if other, ok := seen[name]; ok {
			t.Errorf("%d and %d are both %s", other, typ, name)
		}
		seen[name] = typ
		// The standard's names: the first letter is the direction, and but for the parameters a
		// second group ending in A to F with a T tells of a time tag.
		monitor := strings.HasPrefix(name, "M_")
		if monitor != typ.IsMonitor() {
			t.Errorf("%s: IsMonitor is %v", name, typ.IsMonitor())
		}
		if strings.HasPrefix(name, "P_") != typ.IsParameter() {
			t.Errorf("%s: IsParameter is %v", name, typ.IsParameter())
		}
		if strings.HasPrefix(name, "C_") != (typ.IsCommand() || typ.IsSystem()) {
			t.Errorf("%s: IsCommand is %v, IsSystem is %v", name, typ.IsCommand(), typ.IsSystem())
		}
		if timed := name[5] == 'T' || typ == asdu.C_CS_NA_1; timed != (typ.TimeTag() != asdu.NoTime) {
			t.Errorf("%s: time tag %v", name, typ.TimeTag())
		}
	}
	if got := asdu.TypeID(200).String(); got != "TypeID 200" {
		t.Error(got)
	}
}

func TestTypes_WithAndWithoutTime(t *testing.T) {
	for _, c := range []struct{ plain, cp24, cp56 asdu.TypeID }{
		{asdu.M_SP_NA_1, asdu.M_SP_TA_1, asdu.M_SP_TB_1}, {asdu.M_DP_NA_1, asdu.M_DP_TA_1, asdu.M_DP_TB_1}, {asdu.M_ST_NA_1, asdu.M_ST_TA_1, asdu.M_ST_TB_1},
		{asdu.M_BO_NA_1, asdu.M_BO_TA_1, asdu.M_BO_TB_1}, {asdu.M_ME_NA_1, asdu.M_ME_TA_1, asdu.M_ME_TD_1}, {asdu.M_ME_NB_1, asdu.M_ME_TB_1, asdu.M_ME_TE_1},
		{asdu.M_ME_NC_1, asdu.M_ME_TC_1, asdu.M_ME_TF_1}, {asdu.M_IT_NA_1, asdu.M_IT_TA_1, asdu.M_IT_TB_1},
		{asdu.C_SC_NA_1, 0, asdu.C_SC_TA_1}, {asdu.C_DC_NA_1, 0, asdu.C_DC_TA_1}, {asdu.C_RC_NA_1, 0, asdu.C_RC_TA_1}, {asdu.C_SE_NA_1, 0, asdu.C_SE_TA_1},
		{asdu.C_SE_NB_1, 0, asdu.C_SE_TB_1}, {asdu.C_SE_NC_1, 0, asdu.C_SE_TC_1}, {asdu.C_BO_NA_1, 0, asdu.C_BO_TA_1},
	} {
		for _, typ := range []asdu.TypeID{c.plain, c.cp24, c.cp56} {
			if typ != 0 && (typ.Untimed() != c.plain || typ.WithCP56() != c.cp56) {
				t.Errorf("%v: without time %v, with CP56 %v", typ, typ.Untimed(), typ.WithCP56())
			}
		}
	}
	for _, typ := range []asdu.TypeID{asdu.M_PS_NA_1, asdu.M_ME_ND_1, asdu.M_EP_TD_1, asdu.C_CS_NA_1, asdu.C_IC_NA_1, 200} {
		if typ.Untimed() != typ || typ.WithCP56() != typ {
			t.Errorf("%v: without time %v, with CP56 %v", typ, typ.Untimed(), typ.WithCP56())
		}
	}
}

func TestCauses_Names(t *testing.T) {
	for cause, want := range map[asdu.CauseOfTransmission]string{
		0: "cause 0", asdu.Spontaneous: "spontaneous", asdu.InterrogatedStation: "interrogated station",
		asdu.InterrogatedGroup1: "interrogated group 1", asdu.InterrogatedGroup16: "interrogated group 16",
		asdu.CounterGeneral: "counter general", asdu.CounterGroup4: "counter group 4", 42: "cause 42",
		asdu.UnknownObjectAddress: "unknown object address", 63: "cause 63", 200: "cause 200",
	} {
		if got := cause.String(); got != want {
			t.Errorf("%d is %q, want %q", cause, got, want)
		}
	}
}

func TestTypes_ProtectionEvents(t *testing.T) {
	for n := range 256 {
		typ := asdu.TypeID(n)
		if want := strings.HasPrefix(typ.String(), "M_EP_"); typ.IsProtectionEvent() != want {
			t.Errorf("%v: %v", typ, !want)
		}
	}
}
