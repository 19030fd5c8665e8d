package configs

import (
	"strings"
	"testing"

	"github.com/fepha/fepha/fsm"
)

func TestAddressesAsPeopleWriteThem(t *testing.T) {
	for _, test := range []struct {
		text   string
		format AddressFormat
		want   uint64
		why    string
	}{
		{"16385", "", 16385, ""}, {"4001H", "", 16385, ""}, {"4001h", "", 16385, ""}, {"0x4001", "", 16385, ""}, {"0X4001", "", 16385, ""},
		{"16385.0", "", 16385, ""}, {"16385.", "", 16385, ""}, {"\u00a016385\u3000", "", 16385, ""}, {"16\u00a0385", "", 16385, ""},
		{"１６３８５", "", 16385, ""}, {"４００１Ｈ", "", 16385, ""}, {"16385\u200b", "", 16385, ""},
		{"16385.5", "", 0, "is of several parts, and nothing says how they are to be read"},
		{"1.64.0", "", 0, "is of several parts, and nothing says how they are to be read"},
		{"64-1", "", 0, "is of several parts, and nothing says how they are to be read"},
		{"-1", "", 0, "is not an address"}, {"x", "", 0, "is not an address"}, {"h", "", 0, "is not an address"}, {"0x", "", 0, "is not an address"},

		{"1.64.0", Format888, 16385, ""}, {"0-64-1", Format888, 16385, ""}, {"64-1", Format168, 16385, ""}, {"16385.0", Format168, 16385, ""},
		{"0-16385", Format816, 16385, ""}, {"1.64", Format816, 16385, ""}, {"4001H", Format888, 16385, ""}, {"16385", Format816, 16385, ""},
		{"255.255.255", Format888, 1<<24 - 1, ""}, {"１．６４．０", Format888, 16385, ""},
		{"64-1", Format888, 0, "has 2 parts, not 3"}, {"1.256.0", Format888, 0, `has a part "256" that isn't a number of 8 bits`},
		{"1.x.0", Format888, 0, `has a part "x" that isn't a number of 8 bits`}, {"16385.0", Format816, 0, `has a part "16385" that isn't a number of 8 bits`},
	} {
		if got, why := test.format.parse(test.text); got != test.want || why != test.why {
			t.Errorf("%q as %q: %d, %q, expected %d, %q", test.text, test.format, got, why, test.want, test.why)
		}
	}
}

func TestAddressesInTables(t *testing.T) {
	s := mustLoad(t, station(t, "points: rtu1.csv", "points: rtu1.csv\n    ioa_format: 8.8.8", "points: occ.csv", "points: occ.csv\n    ioa_format: 16.8",
		"rtu1.csv|di,1,1,", "di,1,1.64.0,", "occ.csv|1,1,di", "64-1,1,di"), "station.yaml")
	r, _ := s.RTU(1)
	p, _ := find(r.Points, pointKey{fsm.DI, 1})
	if p.IOA != 16385 || s.Uplinks[0].Points[3].IOA != 16385 {
		t.Errorf("%+v, %+v", p, s.Uplinks[0].Points)
	}
	text, err := s.YAML()
	if err != nil || !strings.Contains(string(text), "ioa_format: ") {
		t.Errorf("%v: %s", err, text)
	}
	wantErrors(t, station(t, "rtu1.csv|di,1,1,", "di,1,1.64.0,"),
		`rtu1.csv:2:6: ioa: "1.64.0" is of several parts, and nothing says how they are to be read: expected 1 to 16777215, or ioa_format beside points in station.yaml: 8.16, 8.8.8 or 16.8`)
	wantErrors(t, station(t, "points: rtu1.csv", "points: rtu1.csv\n    ioa_format: 8.8.8", "rtu1.csv|di,1,1,", "di,1,1.64,"),
		`rtu1.csv:2:6: ioa: "1.64" has 2 parts, not 3: expected 1 to 16777215, or parts as ioa_format: 8.8.8 says`)
	wantErrors(t, station(t, "points: rtu1.csv", "points: rtu1.csv\n    ioa_format: 8.9"),
		`station.yaml:12:17: rtus[0].ioa_format: "8.9" is unknown: expected one of 8.16, 8.8.8, 16.8`)
}

func TestChineseTables(t *testing.T) {
	english, errs := readRTU("kind,point,ioa,type,name,deadband,scale,offset,unit,invert,category\n" +
		"di,1,1,30,a,,,,,true,\nai,2,2,,b,0.5,0.1,1,kV,,\ncounter,3,3,,c,,,,,,\ndo,4,4,45,d,,,,,false,20\nao,5,5,50,e,,,,,,\n")
	chinese, errs2 := readRTU("种类,点号,信息体地址,类型,名称,死区,系数,偏移,单位,取反,类别\n" +
		"遥信,１,0x1,30,a,,,,,是,\n遥测,2,2.0,,b,０．５,0.1,1,kV,否,\n遥脉,3,3,,c,,,,,,\n遥控,4,4,45,d,,,,,否,20\n遥调,5,5,50,e,,,,,,\n")
	if errs.Total+errs2.Total > 0 || len(chinese) != len(english) {
		t.Fatalf("%v\n%v", errs, errs2)
	}
	for i := range english {
		if !samePoint(english[i], chinese[i]) {
			t.Errorf("%+v, expected %+v", chinese[i], english[i])
		}
	}
}

func TestWhatIsNoTableOrKeyIsNamed(t *testing.T) {
	wantErrors(t, station(t, "points: rtu1.csv", "points: rtu1.xlsx", "occ.csv|1,1,di,1,M_SP_TB_1,\n", "", "occ.csv|101,1,ai,1,M_ME_NC_1,\n", "", "occ.csv|201,1,do,1,C_SC_NA_1,\n", ""),
		"station.yaml:11:13: rtus[0].points: \"rtu1.xlsx\" is a workbook: expected a table (CSV); `fepha config import rtu1.xlsx` fills one from a sheet of its name")
	wantErrors(t, station(t, "    common_address: 2", "    common_address：2"),
		`station.yaml:16:19: has a full-width colon ：: expected a plain one and a space after the key`)
}
