package forwarder

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

var sheetRow = regexp.MustCompile(`(?m)^\| ([CFMP]_[A-Z]{2}_[A-Z]{2}_1) \((\d+)\) \| (X|–) \| (X|–) \|$`)

// The sheet's column of control centres says what an uplink does: which types its table may name, and which of the control direction are
// answered otherwise than as an unknown type.
func TestInteroperabilitySheet(t *testing.T) {
	page, err := os.ReadFile("../docs/INTEROPERABILITY.md")
	if err != nil {
		t.Fatal(err)
	}
	said := map[asdu.TypeID]bool{}
	for _, m := range sheetRow.FindAllStringSubmatch(string(page), -1) {
		n, _ := strconv.Atoi(m[2])
		typ := asdu.TypeID(n)
		if typ.String() != m[1] {
			t.Errorf("%s (%d) is %v", m[1], n, typ)
		}
		said[typ] = m[4] == "X"
	}
	table := slices.Clone(points)
	for typ := asdu.P_ME_NA_1; typ <= asdu.P_AC_NA_1; typ++ {
		table = append(table, Point{IOA: 700 + uint32(typ), RTU: 1, Kind: fsm.AO, Point: uint32(typ), Type: typ, Category: "AO"})
	}
	_, cl := served(t, Uplink{Controls: true, Points: table})
	for n := range 128 {
		typ := asdu.TypeID(n)
		if typ.IsFile() && !said[typ] {
			t.Errorf("%v: the sheet says that it isn't used: see TestFilesAreReadByCentres", typ)
		}
		if !typ.Known() {
			continue
		}
		does, told := false, false
		switch {
		case typ == asdu.M_EI_NA_1:
			does = true // TestRow47 has it come first
		case typ.IsMonitor():
			for _, kind := range []fsm.Kind{fsm.DI, fsm.AI, fsm.Counter, fsm.Bitstring} {
				_, err := newTable(Uplink{Name: "u", Points: []Point{{IOA: 1, RTU: 1, Kind: kind, Point: 1, Type: typ}}}, time.UTC)
				does = does || err == nil
			}
		default:
			cause := asdu.Activation
			if typ == asdu.C_RD_NA_1 {
				cause = asdu.Request
			}
			got := cl.ask(t, 1, asdu.Header{Type: typ, Cause: cause}, asdu.Object{Address: 999})
			does = got[0].Cause != asdu.UnknownType
		}
		if x, row := said[typ]; row {
			told = x
		} else {
			t.Errorf("%v is in no row", typ)
		}
		if does != told {
			t.Errorf("%v: the sheet says %v, it is %v", typ, told, does)
		}
	}

	d := iec104.DefaultConfig()
	for _, row := range []string{
		fmt.Sprintf("| k | %d | 1 to 32767 |", d.K), fmt.Sprintf("| w | %d |", d.W),
		fmt.Sprintf("| t0 | %.0f s |", d.T0.Seconds()), fmt.Sprintf("| t1 | %.0f s |", d.T1.Seconds()),
		fmt.Sprintf("| t2 | %.0f s |", d.T2.Seconds()), fmt.Sprintf("| t3 | %.0f s |", d.T3.Seconds()),
	} {
		if !strings.Contains(string(page), row) {
			t.Errorf("no row %q", row)
		}
	}
}
