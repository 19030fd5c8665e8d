package configs

import (
	"strings"
	"testing"
)

func TestLossesAreWarnings(t *testing.T) {
	for _, test := range []struct {
		name, rtu, uplink string // type, scale, offset, low and high of a point; type at the uplink
		want              string // what follows the place; "": no warning
	}{
		{"normalized as scaled", "M_ME_NA_1,,,,", "M_ME_NB_1",
			"M_ME_NB_1 has whole numbers, and ai point 9 of RTU 1 comes normalized, -1 to 1, without a scale: little more than its sign is left: expected M_ME_NC_1 (13) or M_ME_NA_1 (9), or a scale in the RTU's table"},
		{"normalized as a position", "M_ME_TD_1,0.5,1,,", "M_ST_TB_1",
			"M_ST_TB_1 has whole numbers, and ai point 9 of RTU 1 comes normalized, -1 to 1, without a scale: little more than its sign is left: expected M_ME_NC_1 (13) or M_ME_NA_1 (9), or a scale in the RTU's table"},
		{"normalized with a scale", "M_ME_NA_1,1200,,,", "M_ME_TE_1", ""},
		{"normalized as normalized", "M_ME_ND_1,,,,", "M_ME_TD_1", ""},
		{"normalized as short float", "M_ME_NA_1,,,,", "M_ME_NC_1", ""},
		{"nothing said", ",,,,", "M_ME_NB_1",
			"M_ME_NB_1 has whole numbers, and the RTU's table says neither type nor scale of ai point 9 of RTU 1: if it comes normalized, -1 to 1, little more than its sign is left: expected the type in the RTU's table, or M_ME_NC_1 (13)"},
		{"only a scale said", ",100,,,", "M_ME_NB_1", ""},
		{"scaled as scaled", "M_ME_NB_1,,,,", "M_ME_TE_1", ""},
		{"scaled as normalized", "M_ME_TE_1,,,,", "M_ME_NA_1",
			"M_ME_NA_1 holds -1 to 1, and ai point 9 of RTU 1 goes beyond: such values are told as the end of the range, with OV: expected M_ME_NC_1 (13), or a scale in the RTU's table"},
		{"short float beyond", "M_ME_NC_1,,,0,150", "M_ME_TD_1",
			"M_ME_TD_1 holds -1 to 1, and ai point 9 of RTU 1 goes beyond: such values are told as the end of the range, with OV: expected M_ME_NC_1 (13), or a scale in the RTU's table"},
		{"short float within", "M_ME_NC_1,,,-1,1", "M_ME_NA_1", ""},
		{"short float, nothing known", "M_ME_NC_1,,,,", "M_ME_NA_1", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := mustLoad(t, station(t,
				"rtu1.csv|category\n", "category,low,high\nai,9,109,@\n", "rtu1.csv|ai,9,109,@", row9("ai", test.rtu),
				"occ.csv|name\n", "name\n109,1,ai,9,"+test.uplink+",\n"+allForwarded), "station.yaml")
			wantWarning(t, s, "occ.csv:2:12: type: ", test.want)
		})
	}
	for scale, want := range map[string]string{
		"10": "",
		"0.1": "M_IT_TB_1 holds whole numbers, and counter point 9 of RTU 1 has the scale 0.1 and the offset 0: the fraction is lost: " +
			"expected a whole scale and offset in the RTU's table",
	} {
		s := mustLoad(t, station(t,
			"rtu1.csv|category\n", "category,low,high\n"+row9("counter", "15,"+scale+",,,")+"\n",
			"occ.csv|name\n", "name\n109,1,counter,9,37,\n"+allForwarded), "station.yaml")
		wantWarning(t, s, "occ.csv:2:17: type: ", want)
	}
}

// row9 is the row of point 9 with type, scale, offset, low and high.
func row9(kind, columns string) string {
	f := strings.Split(columns, ",")
	return kind + ",9,109," + f[0] + ",,," + f[1] + "," + f[2] + ",,,," + f[3] + "," + f[4]
}

func wantWarning(t *testing.T, s *Station, place, want string) {
	t.Helper()
	got := s.Warnings.Error()
	if want != "" {
		want = place + want
	}
	if got != want {
		t.Errorf("warnings:\n%s\nwant:\n%s", got, want)
	}
}
