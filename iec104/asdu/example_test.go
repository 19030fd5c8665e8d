package asdu_test

import (
	"fmt"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
)

func ExampleProfile_New() {
	shanghai := time.FixedZone("CST", 8*3600)
	at := time.Date(2026, 11, 21, 15, 4, 5, 678e6, shanghai)
	a, err := asdu.DefaultProfile.New(
		asdu.Header{Type: asdu.M_ME_TF_1, Cause: asdu.Spontaneous, CommonAddress: 1},
		asdu.Object{Address: 2001, Value: 49.98, Time: asdu.NewCP56Time2a(at, shanghai)},
		asdu.Object{Address: 2002, Value: 110.2, Quality: asdu.IV | asdu.NT, Time: asdu.NewCP56Time2a(at, shanghai)},
	)
	fmt.Println(a, err)
	// Output:
	// M_ME_TF_1 spontaneous CA=1: 2001 49.98 2026-11-21 15:04:05.678, 2002 110.2 NT IV 2026-11-21 15:04:05.678 <nil>
}

// Events go out with time tags; the same objects answer an interrogation without them.
func ExampleTypeID_Untimed() {
	event := asdu.Object{Address: 7, Value: 1, Quality: asdu.BL, Time: asdu.NewCP56Time2a(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.UTC)}
	h := asdu.Header{Type: asdu.M_SP_TB_1, Cause: asdu.Spontaneous, CommonAddress: 1}
	a, _ := asdu.DefaultProfile.New(h, event)
	fmt.Println(a)

	h.Type, h.Cause = h.Type.Untimed(), asdu.InterrogatedStation
	a, _ = asdu.DefaultProfile.New(h, event)
	fmt.Println(a)
	// Output:
	// M_SP_TB_1 spontaneous CA=1: 7 on BL 2026-01-01 00:00:00.000
	// M_SP_NA_1 interrogated station CA=1: 7 on BL
}

// A station that does not know the object mirrors the command, everything but cause and P/N unchanged.
func ExampleASDU_Mirror() {
	command, _ := asdu.DefaultProfile.New(
		asdu.Header{Type: asdu.C_SC_NA_1, Cause: asdu.Activation, Originator: 5, CommonAddress: 1},
		asdu.Object{Address: 6001, Value: 1, Qualifier: asdu.SelectBit})
	fmt.Println(command.Mirror(asdu.UnknownObjectAddress, true))
	// Output:
	// C_SC_NA_1 unknown object address negative OA=5 CA=1: 6001 on select
}
