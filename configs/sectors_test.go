package configs

import (
	"testing"
	"testing/fstest"
)

// What is wrong about an uplink's sectors, and about RTUs that share their links, is named with its place and what was expected.
func TestSectorsThatAreRefused(t *testing.T) {
	sectors := func(list string) []string { return []string{"role_ioa: 60001", "sectors: " + list} }
	const heading = "ioa,rtu,kind,point,type,name\n"
	for _, test := range []struct {
		name    string
		replace []string
		table   string // the rows of second.csv
		want    string
	}{
		{"not a list", sectors("{common_address: 101, points: second.csv}"), "",
			`station.yaml:25:14: uplinks[0].sectors: a mapping is not a list: expected a list`},
		{"not mappings", sectors("[101, {}]"), "",
			`station.yaml:25:15: uplinks[0].sectors[0]: "101" is not a mapping: expected keys with values` + "\n" +
				`station.yaml:25:15: uplinks[0].sectors[0].common_address: is missing: expected a value` + "\n" +
				`station.yaml:25:15: uplinks[0].sectors[0].points: is missing: expected a value` + "\n" +
				`station.yaml:25:20: uplinks[0].sectors[1].common_address: is missing: expected a value` + "\n" +
				`station.yaml:25:20: uplinks[0].sectors[1].points: is missing: expected a value`},
		{"the uplink's own address", sectors("[{common_address: 100, points: second.csv}]"), "",
			`station.yaml:25:32: uplinks[0].sectors[0].common_address: 100 is already used by uplinks[0].common_address: expected a different one`},
		{"an address twice", sectors("[{common_address: 101, points: second.csv}, {common_address: 101, points: second.csv}]"), "",
			`station.yaml:25:75: uplinks[0].sectors[1].common_address: 101 is already used by uplinks[0].sectors[0].common_address: expected a different one`},
		{"no address of a station", sectors("[{common_address: 65535, points: second.csv}, {common_address: 0, points: second.csv}]"), "",
			`station.yaml:25:32: uplinks[0].sectors[0].common_address: 65535 is out of range: expected 1 to 65534` + "\n" +
				`station.yaml:25:77: uplinks[0].sectors[1].common_address: 0 is out of range: expected 1 to 65534`},
		{"one octet", []string{"role_ioa: 60001", "iec104: {ca_size: 1}\n    sectors: [{common_address: 300, points: second.csv}]"}, "",
			`station.yaml:26:32: uplinks[0].sectors[0].common_address: 300 is out of range: expected 1 to 254`},
		{"a mode of its own", sectors("[{common_address: 101, points: second.csv, mode: exclusive}]"), "",
			`station.yaml:25:57: uplinks[0].sectors[0].mode: unknown key: expected one of common_address, points, ioa_format`},
		{"a table that isn't there", sectors("[{common_address: 101, points: third.csv}]"), "",
			`station.yaml:25:45: uplinks[0].sectors[0].points: "third.csv": no such file: expected a table (CSV) beside station.yaml`},
		{"the same table", sectors("[{common_address: 101, points: occ.csv}]"), "",
			`station.yaml:25:14: uplinks[0].sectors: di point 1 of RTU 1 has an address in the sectors 100 and 101: expected one of them`},
		{"a point in two sectors", sectors("[{common_address: 101, points: second.csv}]"), "7,1,di,1,M_SP_TB_1,\n",
			`station.yaml:25:14: uplinks[0].sectors: di point 1 of RTU 1 has an address in the sectors 100 and 101: expected one of them`},
		{"a point and an address twice", sectors("[{common_address: 101, points: second.csv}]"), "1,2,di,1,M_SP_TB_1,\n1,2,di,1,M_SP_TB_1,\n",
			`second.csv:3:1: ioa: 1 is already used in line 2: expected a different one` + "\n" +
				`second.csv:3:8: point: di point 1 of RTU 2 is already used in line 2: expected a different one`},
		{"a point that isn't there", sectors("[{common_address: 101, points: second.csv}]"), "1,2,ai,1,M_ME_TF_1,\n",
			`second.csv:2:8: point: ai point 1 of RTU 2 is unknown: expected a point of its table`},
		{"an address of another sector", sectors("[{common_address: 101, points: second.csv}]"), "1,2,di,1,M_SP_TB_1,\n",
			``},
	} {
		fsys := station(t, test.replace...).(fstest.MapFS)
		fsys["second.csv"] = &fstest.MapFile{Data: []byte(heading + test.table)}
		_, err := LoadFS(fsys, "station.yaml")
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s:\n%s\nexpected\n%s", test.name, got, test.want)
		}
	}
}
