package acquisition

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104/asdu"
)

var sheetRow = regexp.MustCompile(`(?m)^\| [CFMP]_[A-Z]{2}_[A-Z]{2}_1 \((\d+)\) \| (X|–) \| (X|–) \|$`)

// The sheet's column of devices says what is taken from them, and what they are asked.
func TestInteroperabilitySheet(t *testing.T) {
	said := saidOfDevices(t)
	used := usedOfTheProtocol(t)
	for n := range 128 {
		typ := asdu.TypeID(n)
		if !typ.Known() { // those of files: TestFilesAreFetchedByTheOwner
			continue
		}
		does := used[typ]
		for kind := fsmpb.Kind_DI; kind <= fsmpb.Kind_BITSTRING; kind++ {
			does = does || (Point{Kind: kind, Type: typ}).check() == nil
		}
		if does != said[typ] {
			t.Errorf("%v: the sheet says %v, it is %v", typ, said[typ], does)
		}
	}
}

// saidOfDevices is the sheet's column of devices.
func saidOfDevices(t *testing.T) map[asdu.TypeID]bool {
	t.Helper()
	page, err := os.ReadFile("../docs/INTEROPERABILITY.md")
	if err != nil {
		t.Fatal(err)
	}
	said := map[asdu.TypeID]bool{}
	for _, m := range sheetRow.FindAllStringSubmatch(string(page), -1) {
		n, _ := strconv.Atoi(m[1])
		said[asdu.TypeID(n)] = m[2] == "X"
	}
	return said
}

// usedOfTheProtocol are the system types that this package has to do with: by the methods of iec104.Client that it calls, and the
// end of initialization.
func usedOfTheProtocol(t *testing.T) map[asdu.TypeID]bool {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	called := map[asdu.TypeID]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for method, typ := range map[string]asdu.TypeID{
			"Interrogate": asdu.C_IC_NA_1, "CounterInterrogate": asdu.C_CI_NA_1, "Read": asdu.C_RD_NA_1,
			"SetClock": asdu.C_CS_NA_1, "Reset": asdu.C_RP_NA_1, "Test": asdu.C_TS_TA_1,
		} {
			called[typ] = called[typ] || strings.Contains(string(code), "client."+method+"(")
		}
		called[asdu.M_EI_NA_1] = called[asdu.M_EI_NA_1] || strings.Contains(string(code), "a.Type == asdu.M_EI_NA_1")
	}
	return called
}
