package configs

import "testing"

const (
	node2     = `{id: fep2, host: 2, role: fep, address: "10.0.0.2:7300", api: "10.0.0.2:7310"}`
	node3     = `    - {id: wit, host: 3, role: witness, address: "10.0.0.3:7300", api: "10.0.0.3:7310"}` + "\n"
	rtuHeader = "kind,point,ioa,type,name,deadband,scale,offset,unit,invert,category\n"
	// sharedChannels are those of RTU 1, for RTU 2.
	sharedChannels = `[{address: "10.1.0.1:2404"}, {address: "10.1.1.1:2404:M3"}]`
	secured        = "security: {ca: ca.pem, cert: node.pem, key: node.key}"
)

func TestLoadRefusesTables(t *testing.T) {
	for _, test := range []struct {
		name    string
		replace []string // pairs
		want    string
	}{
		{"empty file", []string{"rtu2.csv|" + rtuHeader + "di,1,1,,Charger,,,,,,\n", ""},
			`rtu2.csv: is empty: expected a header with the columns kind, point, ioa, type, name, deadband, scale, offset, unit, invert, category, event (optional), low (optional), high (optional), select (optional), qualifier (optional), state (optional), chatter (optional), bit (optional), transient (optional)`},
		{"missing columns", []string{"rtu2.csv|ioa,", "", "rtu2.csv|,scale", ""},
			`rtu2.csv:1:1: has no column ioa, scale: expected the columns kind, point, ioa, type, name, deadband, scale, offset, unit, invert, category, event (optional), low (optional), high (optional), select (optional), qualifier (optional), state (optional), chatter (optional), bit (optional), transient (optional)`},
		{"unknown column", []string{"rtu2.csv|scale", "skale"},
			`rtu2.csv:1:1: has no column scale: expected the columns kind, point, ioa, type, name, deadband, scale, offset, unit, invert, category, event (optional), low (optional), high (optional), select (optional), qualifier (optional), state (optional), chatter (optional), bit (optional), transient (optional)` + "\n" +
				`rtu2.csv:1:35: unknown column "skale": expected one of kind, point, ioa, type, name, deadband, scale, offset, unit, invert, category, event (optional), low (optional), high (optional), select (optional), qualifier (optional), state (optional), chatter (optional), bit (optional), transient (optional)`},
		{"column twice", []string{"rtu2.csv|unit", "scale"},
			`rtu2.csv:1:1: has no column unit: expected the columns kind, point, ioa, type, name, deadband, scale, offset, unit, invert, category, event (optional), low (optional), high (optional), select (optional), qualifier (optional), state (optional), chatter (optional), bit (optional), transient (optional)` + "\n" +
				`rtu2.csv:1:48: scale: is given twice: expected each column once`},
		{"too many fields", []string{"rtu2.csv|Charger,,,,,,", "Charger,,,,,,,,x"},
			`rtu2.csv:2:24: "x" is beyond the last column: expected 11 columns`},
		{"stray quote", []string{"rtu2.csv|Charger", `5" Charger`},
			`rtu2.csv:2:10: has a " in a field that isn't quoted: expected the whole field in quotes, and "" for each quote in it`},
		{"open quote", []string{"rtu2.csv|Charger", `"Charger`},
			`rtu2.csv:2:24: has a " that isn't closed, or text after a closing one: expected the whole field in quotes, and "" for each quote in it`},
		{"text after quote", []string{"rtu2.csv|Charger", `"Charger" 1`},
			`rtu2.csv:2:17: has a " that isn't closed, or text after a closing one: expected the whole field in quotes, and "" for each quote in it`},
		{"binary", []string{"rtu2.csv|Charger", "\x00"},
			`rtu2.csv: is not a text file: expected a CSV file in UTF-8 or GB18030`},
		{"no known encoding", []string{"rtu2.csv|Charger", "\xff\xff"},
			`rtu2.csv: is neither UTF-8 nor GB18030: expected a CSV file in UTF-8 or GB18030`},

		{"kind", []string{"rtu2.csv|di,1", "dx,1"},
			`rtu2.csv:2:1: kind: "dx" is unknown: expected one of di, ai, counter, bitstring, do, ao`},
		{"point", []string{"rtu2.csv|di,1", "di,-1"},
			`rtu2.csv:2:4: point: "-1" is not a whole number: expected 0 to 4294967295`},
		{"point missing", []string{"rtu2.csv|di,1", "di,"},
			`rtu2.csv:2:4: point: is missing: expected 0 to 4294967295`},
		{"point twice", []string{"rtu2.csv|di,1,1,,Charger,,,,,,\n", "di,1,1,,Charger,,,,,,\nai,1,3,,,,,,,,\ndi,1,2,,,,,,,,\n"},
			`rtu2.csv:4:4: point: di point 1 is already used in line 2: expected a different one`},
		{"IOA twice", []string{"rtu1.csv|ai,1,101", "ai,1,1"},
			`rtu1.csv:3:6: ioa: 1 is already used in line 2: expected a different one`},
		{"IOA twice among controls", []string{"rtu1.csv|do,1,201,45,Breaker,,,,,,DO\n", "do,1,201,45,Breaker,,,,,,DO\nao,1,201,50,,,,,,,\n"},
			`rtu1.csv:5:6: ioa: 201 is already used in line 4: expected a different one`},
		{"uplink: set point for a parameter", []string{"rtu1.csv|do,1,201,45,Breaker,,,,,,DO\n", "do,1,201,45,Breaker,,,,,,DO\nao,7,301,112,Limit,,,,,,AO\n", "occ.csv|201,1,do,1,C_SC_NA_1,\n", "201,1,do,1,C_SC_NA_1,\n301,1,ao,7,C_SE_NC_1,\n"},
			`occ.csv:6:12: type: ao point 7 of RTU 1 is P_ME_NC_1, which C_SE_NC_1 can't ask for: expected a set point for a set point, a parameter for a parameter, P_AC_NA_1 (113) for itself`},
		{"parameter selected", []string{"rtu1.csv|category\n", "category,select\n", "rtu1.csv|do,1,201,45,Breaker,,,,,,DO\n", "do,1,201,45,Breaker,,,,,,DO\nao,7,301,113,Limit,,,,,,AO,device\n"},
			`rtu1.csv:5:28: select: P_AC_NA_1 can't be selected: expected nothing`},
		{"uplink: IOA twice among controls", []string{"occ.csv|201,1,do,1,C_SC_NA_1,\n", "201,1,do,1,C_SC_NA_1,\n201,1,do,1,C_DC_NA_1,\n"},
			`occ.csv:6:1: ioa: 201 is already used in line 5: expected a different one` + "\n" +
				`occ.csv:6:10: point: do point 1 of RTU 1 is already used in line 5: expected a different one`},
		{"IOA out of range", []string{"common_address: 2", "common_address: 2\n    iec104: {ioa_size: 2}", "rtu2.csv|di,1,1", "di,1,65536"},
			`rtu2.csv:2:6: ioa: 65536 is out of range: expected 1 to 65535`},
		{"IOA far out of range", []string{"rtu2.csv|di,1,1", "di,1,99999999999"},
			`rtu2.csv:2:6: ioa: 99999999999 is out of range: expected 1 to 16777215`},
		{"type of another kind", []string{"rtu2.csv|di,1,1,", "di,1,1,C_SC_NA_1"},
			`rtu2.csv:2:8: type: "C_SC_NA_1" is not a type of kind di: expected one of M_SP_NA_1 (1), M_DP_NA_1 (3), M_SP_TB_1 (30), M_DP_TB_1 (31), M_EP_TD_1 (38)`},
		{"type of a control missing", []string{"rtu1.csv|45", ""},
			`rtu1.csv:4:10: type: is missing: expected one of C_SC_NA_1 (45), C_DC_NA_1 (46), C_RC_NA_1 (47), C_SC_TA_1 (58), C_DC_TA_1 (59), C_RC_TA_1 (60)`},
		{"type unknown", []string{"rtu1.csv|45", "145"},
			`rtu1.csv:4:10: type: "145" is not a type of kind do: expected one of C_SC_NA_1 (45), C_DC_NA_1 (46), C_RC_NA_1 (47), C_SC_TA_1 (58), C_DC_TA_1 (59), C_RC_TA_1 (60)`},
		{"category of a monitored point", []string{"rtu2.csv|Charger,,,,,,", "Charger,,,,,,DO"},
			`rtu2.csv:2:22: category: "DO" has no meaning for kind di: expected nothing`},
		{"category", []string{"rtu1.csv|,,,,DO", ",,,,AO"},
			`rtu1.csv:4:26: category: "AO" is unknown for kind do: expected one of DO, 20, 26, 27, 29`},
		{"numbers", []string{"rtu1.csv|0.5%,0.1,,kV", "x,NaN,1e999,kV"},
			`rtu1.csv:3:19: deadband: "x" is not a number: expected one such as 0.5` + "\n" +
				`rtu1.csv:3:21: scale: "NaN" is not a number: expected one such as 0.5` + "\n" +
				`rtu1.csv:3:25: offset: "1e999" is not a number: expected one such as 0.5`},
		{"deadband", []string{"rtu1.csv|0.5%,0.1,,kV", "101%,0,,kV"},
			`rtu1.csv:3:19: deadband: 101% is out of range: expected 0 or more in engineering units, or 0% to 100%` + "\n" +
				`rtu1.csv:3:24: scale: 0 would make every value the same: expected any other number`},
		{"invert", []string{"rtu2.csv|Charger,,,,,,", "Charger,,,,,maybe,"},
			`rtu2.csv:2:21: invert: "maybe" is neither true nor false: expected true, false or nothing`},
		{"no meaning", []string{"rtu2.csv|Charger,,,,,,", "Charger,1,2,3,V,,"},
			`rtu2.csv:2:17: deadband: "1" has no meaning for kind di: expected nothing` + "\n" +
				`rtu2.csv:2:19: scale: "2" has no meaning for kind di: expected nothing` + "\n" +
				`rtu2.csv:2:21: offset: "3" has no meaning for kind di: expected nothing`},
		{"range", []string{"rtu2.csv|category\n", "category,low,high\nai,7,7,,,,,,,,,5,5\n"},
			`rtu2.csv:2:16: low: 5 is out of range: expected less than high, which is 5`},
		{"select", []string{"rtu1.csv|category\n", "category,select\n", "rtu1.csv|,,,DO\n", ",,,DO,always\n"},
			`rtu1.csv:4:29: select: "always" is unknown: expected device, required or nothing`},
		{"select of a monitored point", []string{"rtu2.csv|category\n", "category,select\n", "rtu2.csv|Charger,,,,,,", "Charger,,,,,,,device"},
			`rtu2.csv:2:23: select: "device" has no meaning for kind di: expected nothing`},
		{"qualifier", []string{"rtu1.csv|category\n", "category,qualifier\nao,1,202,50,,,,,,,,short\n", "rtu1.csv|,,,DO\n", ",,,DO,32\n"},
			`rtu1.csv:2:20: qualifier: "short" is unknown: expected QL, 0 to 127` + "\n" +
				`rtu1.csv:5:29: qualifier: "32" is unknown: expected short, long, persistent, or QU, 0 to 31`},
		{"select and qualifier of a bitstring", []string{"rtu1.csv|category\n", "category,select,qualifier\nao,1,202,51,,,,,,,,device,3\n"},
			`rtu1.csv:2:20: select: C_BO_NA_1 can't be selected: expected nothing` + "\n" +
				`rtu1.csv:2:27: qualifier: C_BO_NA_1 has no qualifier: expected nothing`},
		{"type of a bitstring missing", []string{"rtu2.csv|di,1,1,", "bitstring,1,1,"},
			`rtu2.csv:2:15: type: is missing: expected one of M_BO_NA_1 (7), M_BO_TB_1 (33), M_PS_NA_1 (20), M_EP_TE_1 (39), M_EP_TF_1 (40)`},
		{"bitstring that would be told as another", []string{"rtu2.csv|di,1,1,", "bitstring,5,5,20", "occ.csv|name\n", "name\n901,2,bitstring,5,7,\n"},
			`occ.csv:2:19: type: bitstring point 5 of RTU 2 is M_PS_NA_1, of which M_BO_NA_1 can't tell every bit: expected M_PS_NA_1 (20)`},
		{"protection event without an elapsed time", []string{"occ.csv|1,1,di,1,M_SP_TB_1", "1,1,di,1,38"},
			`occ.csv:2:10: type: di point 1 of RTU 1 has no elapsed time as M_EP_TD_1, since its own type isn't that: expected M_SP_TB_1 (30) or M_DP_TB_1 (31), or the type in the RTU's table`},
		{"bits", []string{"rtu2.csv|category\n", "category,bit\ndi,10,500,20,,,,,,,,0\ndi,11,500,20,,,,,,,,0\ndi,12,500,20,,,,,,,,16\ndi,13,500,1,,,,,,,,1\ndi,14,500,,,,,,,,,\n"},
			`rtu2.csv:3:21: bit: bit 0 of 500 is already used in line 2: expected a different one` + "\n" +
				`rtu2.csv:4:21: bit: 16 is out of range: expected 0 to 15` + "\n" +
				`rtu2.csv:5:11: type: "1" has no points in its bits: expected one of M_BO_NA_1 (7), M_BO_TB_1 (33), M_PS_NA_1 (20), M_EP_TE_1 (39), M_EP_TF_1 (40)` + "\n" +
				`rtu2.csv:6:7: ioa: 500 is already used in line 2: expected a different one`},
		{"transient", []string{"rtu2.csv|category\n", "category,transient\ndi,10,500,3,,,,,,,,never\ndi,11,501,1,,,,,,,,10s\n"},
			`rtu2.csv:2:20: transient: "never" is no duration in range: expected 10ms to 10m, such as 10s` + "\n" +
				`rtu2.csv:3:20: transient: M_SP_NA_1 has no intermediate state: expected M_DP_NA_1 (3) or M_DP_TB_1 (31), or nothing`},
		{"state that isn't there", []string{"rtu1.csv|category\n", "category,state\n", "rtu1.csv|,,,DO\n", ",,,DO,7\n"},
			`rtu1.csv:4:29: state: di point 7 is unknown: expected a di point of this table`},
		{"state of a step", []string{"rtu1.csv|category\n", "category,state\n", "rtu1.csv|45,Breaker,,,,,,DO\n", "47,Breaker,,,,,,DO,1\n"},
			`rtu1.csv:4:29: state: no state shows that C_RC_NA_1 has gone a step: expected nothing`},
		{"states that confirm, and none", []string{"common_address: 1\n", "common_address: 1\n    confirm: state\n"},
			`station.yaml:11:14: rtus[0].confirm: state: do point 1 of rtu1.csv has no state: expected the number of the di that shows it, in column state`},
		{"columns of text in characters", []string{"rtu2.csv|Charger,", "充电机,x"},
			`rtu2.csv:2:13: deadband: "x" has no meaning for kind di: expected nothing`},

		{"control character in a name", []string{"rtu2.csv|Charger", "Char\x1b[2Jger"},
			`rtu2.csv:2:9: name: "Char\x1b[2Jger" has a control character, or one that turns text around: expected letters, digits, signs and spaces`},
		{"virtual point's name turned around", []string{"virtual.csv|Up", "\u202eUp"},
			`virtual.csv:2:7: name: "\u202eUp" has a control character, or one that turns text around: expected letters, digits, signs and spaces`},
		{"uplink: control character in a name", []string{"occ.csv|Up", "U\u009bp"},
			`occ.csv:3:22: name: "U\u009bp" has a control character, or one that turns text around: expected letters, digits, signs and spaces`},

		{"uplink: IOA twice", []string{"occ.csv|101,", "1,"},
			`occ.csv:4:1: ioa: 1 is already used in line 2: expected a different one`},
		{"uplink: IOA of the role", []string{"occ.csv|101,", "60001,"},
			`occ.csv:4:1: ioa: 60001 is already used by role_ioa: expected a different one`},
		{"uplink: point twice", []string{"occ.csv|2,900,di,1,M_SP_TB_1,Up", "2,1,di,1,1,"},
			`occ.csv:3:8: point: di point 1 of RTU 1 is already used in line 2: expected a different one`},
		{"uplink: type missing", []string{"occ.csv|M_ME_NC_1", ""},
			`occ.csv:4:12: type: is missing: expected one of M_ST_NA_1 (5), M_ME_NA_1 (9), M_ME_NB_1 (11), M_ME_NC_1 (13), M_ME_ND_1 (21), M_ST_TB_1 (32), M_ME_TD_1 (34), M_ME_TE_1 (35), M_ME_TF_1 (36)`},
		{"uplink: type without quality", []string{"occ.csv|M_ME_NC_1", "M_ME_ND_1"},
			`occ.csv:4:12: type: M_ME_ND_1 has no quality, so an invalid value would look good: expected M_ME_NA_1 (9)`},
		{"uplink: unknown RTU", []string{"occ.csv|1,1,di,1", "1,7,di,1"},
			`occ.csv:2:3: rtu: RTU 7 is unknown: expected the number of an RTU in station.yaml, or of a virtual one`},
		{"uplink: unknown point", []string{"occ.csv|1,1,di,1", "1,2,di,7"},
			`occ.csv:2:8: point: di point 7 of RTU 2 is unknown: expected a point of its table`},
		{"uplink: unknown virtual point", []string{"occ.csv|900,di,1", "900,di,2"},
			`occ.csv:3:10: point: di point 2 of RTU 900 is unknown: expected a di point of the virtual points`},
		{"uplink: virtual points are digital", []string{"occ.csv|900,di,1,M_SP_TB_1", "900,ai,1,13"},
			`occ.csv:3:10: point: ai point 1 of RTU 900 is unknown: expected a di point of the virtual points`},
		{"uplink: column", []string{"occ.csv|rtu", "rtuno"},
			`occ.csv:1:1: has no column rtu: expected the columns ioa, rtu, kind, point, type, name` + "\n" +
				`occ.csv:1:5: unknown column "rtuno": expected one of ioa, rtu, kind, point, type, name`},

		{"virtual: RTU is real", []string{"virtual.csv|900,1", "1,1", "occ.csv|2,900,di,1,M_SP_TB_1,Up\n", ""},
			`virtual.csv:2:1: rtu: RTU 1 is a real one: expected a number that no RTU in station.yaml has`},
		{"virtual: point twice", []string{"virtual.csv|900,1,Up,rtu:1\n", "900,1,Up,rtu:1\n900,1,Up,rtu:2\n"},
			`virtual.csv:3:5: point: point 1 of virtual RTU 900 is already used in line 2: expected a different one`},
		{"virtual: sources", []string{"virtual.csv|900,1,Up,rtu:1\n", "900,1,,rtu\n900,2,,rtu:x\n900,3,,rtu:1:1\n900,4,,node:\n900,5,,chan:1:1\n900,6,,\n"},
			`virtual.csv:2:8: source: "rtu" is not a source: expected channel:<rtu>:<n>, link:<rtu>:<n>:<m>, rtu:<rtu>, node:<id>, uplink:<name>:<group>, overflow:<name>:<group>, condition:alarm, condition:warning or condition:<id>` + "\n" +
				`virtual.csv:3:8: source: "rtu:x" is not a source: expected channel:<rtu>:<n>, link:<rtu>:<n>:<m>, rtu:<rtu>, node:<id>, uplink:<name>:<group>, overflow:<name>:<group>, condition:alarm, condition:warning or condition:<id>` + "\n" +
				`virtual.csv:4:8: source: "rtu:1:1" is not a source: expected channel:<rtu>:<n>, link:<rtu>:<n>:<m>, rtu:<rtu>, node:<id>, uplink:<name>:<group>, overflow:<name>:<group>, condition:alarm, condition:warning or condition:<id>` + "\n" +
				`virtual.csv:5:8: source: "node:" is not a source: expected channel:<rtu>:<n>, link:<rtu>:<n>:<m>, rtu:<rtu>, node:<id>, uplink:<name>:<group>, overflow:<name>:<group>, condition:alarm, condition:warning or condition:<id>` + "\n" +
				`virtual.csv:6:8: source: "chan:1:1" is not a source: expected channel:<rtu>:<n>, link:<rtu>:<n>:<m>, rtu:<rtu>, node:<id>, uplink:<name>:<group>, overflow:<name>:<group>, condition:alarm, condition:warning or condition:<id>` + "\n" +
				`virtual.csv:7:8: source: "" is not a source: expected channel:<rtu>:<n>, link:<rtu>:<n>:<m>, rtu:<rtu>, node:<id>, uplink:<name>:<group>, overflow:<name>:<group>, condition:alarm, condition:warning or condition:<id>`},
		{"virtual: references", []string{"virtual.csv|900,1,Up,rtu:1\n", "900,1,,rtu:3\n900,2,,channel:1:3\n900,3,,link:1:1:2\n900,4,,link:1:2:0\n" +
			"900,5,,node:fep3\n900,6,,uplink:acc:a\n900,7,,uplink:occ:c\n900,8,,overflow:occ:c\n900,9,,condition:alarm\n900,10,,condition:rtu.1.noise\n"},
			`virtual.csv:2:8: source: rtu:3: RTU 3 is unknown: expected the number of an RTU in station.yaml` + "\n" +
				`virtual.csv:3:8: source: channel:1:3: RTU 1 has no channel 3: expected 1 to 2` + "\n" +
				`virtual.csv:4:8: source: link:1:1:2: channel 1 has no link 2: expected 1 to 1` + "\n" +
				`virtual.csv:5:8: source: link:1:2:0: channel 2 has no link 0: expected 1 to 4` + "\n" +
				`virtual.csv:6:8: source: node:fep3: node "fep3" is unknown: expected one of fep1, fep2, wit` + "\n" +
				`virtual.csv:7:8: source: uplink:acc:a: uplink "acc" is unknown: expected the name of an uplink in station.yaml` + "\n" +
				`virtual.csv:8:8: source: uplink:occ:c: group "c" is unknown: expected a group of uplink occ` + "\n" +
				`virtual.csv:9:8: source: overflow:occ:c: group "c" is unknown: expected a group of uplink occ` + "\n" +
				`virtual.csv:11:9: source: condition:rtu.1.noise: there is no condition "rtu.1.noise": expected alarm, warning, or an id whose last part is in the table of docs/OPERATIONS.md, such as rtu.1.common_address`},
		{"virtual: missing table", []string{"virtual.csv\n", "virtuals.csv\n", "occ.csv|2,900,di,1,M_SP_TB_1,Up\n", ""},
			`station.yaml:26:17: virtual_points: "virtuals.csv": no such file: expected a table (CSV) beside station.yaml`},
	} {
		t.Run(test.name, func(t *testing.T) { wantErrors(t, station(t, test.replace...), test.want) })
	}
}

func TestLoadRefusesStations(t *testing.T) {
	for _, test := range []struct {
		name    string
		replace []string // pairs
		want    string
	}{
		{"no YAML", []string{"cluster:\n", "cluster: [\n"},
			`station.yaml:7:1: is not YAML: ',' or ']' must be specified`},
		{"unknown key", []string{"fnp:", "fmp:"},
			`station.yaml:27:1: fmp: unknown key (did you mean "fnp"?): expected one of station, cluster, security, redis, journal, trend, rtus, uplinks, virtual_points, fnp, exports, backup`},
		{"unknown key in a list", []string{"    common_address: 1\n", "    common_adress: 1\n"},
			`station.yaml:9:5: rtus[0].common_address: is missing: expected a value` + "\n" +
				`station.yaml:10:5: rtus[0].common_adress: unknown key (did you mean "common_address"?): expected one of number, points, ioa_format, prefer, retry, link_check, standby_probe, termination, confirm, interrogation, counter_interrogation, clock_sync, order, counter_freeze, counter_groups, tolerant, tls, files, iec104, chatter, time_zone, name, common_address, channels`},
		{"what is peculiar about a device", []string{"    common_address: 1\n", "    common_address: 1\n    order: [clock, clock, start]\n    counter_groups: [1, 5, 1]\n    tolerant: [early-data, polite]\n    counter_freeze: reset\n"},
			`station.yaml:11:20: rtus[0].order[1]: "clock" is there twice: expected each once` + "\n" +
				`station.yaml:11:27: rtus[0].order[2]: "start" is unknown: expected test, clock, interrogation or counters` + "\n" +
				`station.yaml:12:25: rtus[0].counter_groups[1]: "5" is no group of counters: expected 1 to 4` + "\n" +
				`station.yaml:12:28: rtus[0].counter_groups[2]: 1 is there twice: expected each once` + "\n" +
				`station.yaml:13:28: rtus[0].tolerant[1]: "polite" is unknown: expected one of early-data, odd-frames, stopped-frames` + "\n" +
				`station.yaml:14:21: rtus[0].counter_freeze: "reset" is unknown: expected one of none, freeze, freeze-reset`},
		{"an order without the interrogation", []string{"    common_address: 1\n", "    common_address: 1\n    order: [clock]\n"},
			`station.yaml:11:12: rtus[0].order: interrogation is missing: expected it in its place: without it nothing is known of the device after a start`},
		{"control characters in names", []string{"- number: 1\n", "- number: 1\n    name: \"a\\e[2Jb\"\n", "name: occ", `name: "oc\a"`, "{name: a,", `{name: "\u202ea",`},
			`station.yaml:10:11: rtus[0].name: "a\x1b[2Jb" has a control character, or one that turns text around: expected letters, digits, signs and spaces` + "\n" +
				`station.yaml:21:11: uplinks[0].name: "oc\a" has a control character, or one that turns text around: expected letters, digits, signs and spaces` + "\n" +
				`station.yaml:25:21: uplinks[0].groups[0].name: "\u202ea" has a control character, or one that turns text around: expected letters, digits, signs and spaces`},
		{"key twice", []string{"fnp:", "station: {id: 4}\nfnp:"},
			`station.yaml:27:1: station: is given twice: expected each key once`},
		{"anchor", []string{"common_address: 2", "common_address: &ca 2"},
			`station.yaml:16:21: rtus[1].common_address: anchors, aliases and tags are not supported: expected the value itself`},
		{"second document", []string{"fnp:", "---\nfnp:"},
			`station.yaml:28:1: a second document begins here: expected one`},
		{"empty value", []string{"name: b,", `name: "",`, `fep1: "10.0.0.1:2404"`, "fep1: "},
			`station.yaml:23:14: uplinks[0].listen.fep1: is missing: expected a value` + "\n" +
				`station.yaml:24:51: uplinks[0].groups[1].name: is missing: expected a value`},
		{"missing sections", []string{secured + "\n", ""},
			`station.yaml:1:1: security: is missing: expected a value`},
		{"not a mapping", []string{"station: {id: 21, name: Test}", "station: 21"},
			`station.yaml:1:10: station: "21" is not a mapping: expected keys with values` + "\n" +
				`station.yaml:1:10: station.id: is missing: expected a value`},
		{"not a list", []string{"channels: [{address: \"10.1.2.1:2404\"}]", "channels: {address: \"10.1.2.1:2404\"}"},
			`station.yaml:18:15: rtus[1].channels: a mapping is not a list: expected a list`},
		{"number out of range", []string{"id: 21", "id: 70000"},
			`station.yaml:1:15: station.id: 70000 is out of range: expected 1 to 65535`},
		{"not a number", []string{"id: 21", "id: 0x15"},
			`station.yaml:1:15: station.id: "0x15" is not a whole number: expected 1 to 65535`},
		{"quoted number", []string{"id: 21", `id: "21"`},
			`station.yaml:1:15: station.id: "21" is not a whole number: expected 1 to 65535`},
		{"not a bool", []string{"role_ioa: 60001", "controls: yes"},
			`station.yaml:25:15: uplinks[0].controls: "yes" is neither true nor false: expected true or false`},
		{"time zone", []string{"name: Test}", "time_zone: Mars/Olympus}"},
			`station.yaml:1:30: station.time_zone: "Mars/Olympus" is unknown: expected an IANA time zone such as Asia/Shanghai`},
		{"lease too long", []string{"security:", "  lease: 11s\nsecurity:"},
			`station.yaml:7:10: cluster.lease: 11s is out of range: expected 150ms to 10s`},
		{"lease without a unit", []string{"security:", "  lease: 500\nsecurity:"},
			`station.yaml:7:10: cluster.lease: "500" is not a duration: expected a number with its unit, such as 500ms, 5s, 15m or 30d`},
		{"log store", []string{"security:", "  log_store: sqlite\nsecurity:"},
			`station.yaml:7:14: cluster.log_store: "sqlite" is unknown: expected one of boltdb, wal`},

		{"one witness is needed", []string{node3, ""},
			`station.yaml:4:5: cluster.nodes: has 2 with role fep and 0 with role witness: expected two and one` + "\n" +
				`station.yaml:26:67: fnp.listen.wit: node "wit" is unknown: expected one of fep1, fep2`},
		{"one witness is enough", []string{node2, `{id: fep2, host: 2, role: witness, address: "10.0.0.2:7300", api: "10.0.0.2:7310"}`},
			`station.yaml:4:5: cluster.nodes: has 1 with role fep and 2 with role witness: expected two and one` + "\n" +
				`station.yaml:5:24: cluster.nodes[1].host: 2 is out of range for a witness: expected 3` + "\n" +
				`station.yaml:23:43: uplinks[0].listen.fep2: node "fep2" is the witness, which never owns anything: expected one of fep1`},
		{"unknown role", []string{"role: witness", "role: judge"},
			`station.yaml:6:32: cluster.nodes[2].role: "judge" is unknown: expected one of fep, witness`},
		{"duplicate node", []string{"id: fep2, host: 2", "id: fep1, host: 2"},
			`station.yaml:5:12: cluster.nodes[1].id: fep1 is already used by cluster.nodes[0].id: expected a different one` + "\n" +
				`station.yaml:23:43: uplinks[0].listen.fep2: node "fep2" is unknown: expected one of fep1, fep1` + "\n" +
				`station.yaml:27:45: fnp.listen.fep2: node "fep2" is unknown: expected one of fep1, fep1, wit`},
		{"duplicate host", []string{"host: 2", "host: 1"},
			`station.yaml:5:24: cluster.nodes[1].host: 1 is already used by cluster.nodes[0].host: expected a different one`},
		{"host out of range", []string{"host: 2", "host: 4"},
			`station.yaml:5:24: cluster.nodes[1].host: 4 is out of range: expected 1 to 3`},
		{"two nodes with one address", []string{`address: "10.0.0.2:7300"`, `address: "10.0.0.1:7300"`},
			`station.yaml:5:47: cluster.nodes[1].address: 10.0.0.1:7300 is already used by cluster.nodes[0].address: expected an address and port of its own`},
		{"node with a wildcard", []string{`address: "10.0.0.2:7300"`, `address: "0.0.0.0:7300"`},
			`station.yaml:5:47: cluster.nodes[1].address: 0.0.0.0:7300 is a wildcard: expected the address at which the other nodes reach this one`},
		{"address without a port", []string{`address: "10.0.0.2:7300"`, `address: "10.0.0.2"`},
			`station.yaml:5:47: cluster.nodes[1].address: "10.0.0.2" is not an address with a port: expected one such as 10.91.2.66:7300 or [fd00::66]:7300`},
		{"node's name", []string{"id: fep2", "id: fep:2"},
			`station.yaml:5:12: cluster.nodes[1].id: "fep:2" is not a name: expected 1 to 32 of A-Z, a-z, 0-9, _ . -` + "\n" +
				`station.yaml:23:13: uplinks[0].listen: has no address for fep:2: expected one for each fep: fep1, fep:2` + "\n" +
				`station.yaml:23:43: uplinks[0].listen.fep2: node "fep2" is unknown: expected one of fep1, fep:2` + "\n" +
				`station.yaml:27:15: fnp.listen: has no address for fep:2: expected one for each node, since each may lead: fep1, fep:2, wit` + "\n" +
				`station.yaml:27:45: fnp.listen.fep2: node "fep2" is unknown: expected one of fep1, fep:2, wit`},

		{"port twice: API", []string{`api: "10.0.0.1:7310"`, `api: "10.0.0.1:7300"`},
			`station.yaml:4:69: cluster.nodes[0].api: 10.0.0.1:7300 is already used by cluster.nodes[0].address: expected an address and port of its own`},
		{"port twice: uplink", []string{`fep1: "10.0.0.1:2404"`, `fep1: "10.0.0.1:7310"`},
			`station.yaml:23:20: uplinks[0].listen.fep1: 10.0.0.1:7310 is already used by cluster.nodes[0].api: expected an address and port of its own`},
		{"port twice: wildcard", []string{`fep1: "10.0.0.1:2404"`, `fep1: "0.0.0.0:7310"`},
			`station.yaml:23:20: uplinks[0].listen.fep1: 0.0.0.0:7310 overlaps 10.0.0.1:7310 of cluster.nodes[0].api: expected an address and port of its own`},
		{"port twice: FNP", []string{`fep1: "10.0.0.1:7400"`, `fep1: "10.0.0.1:7300"`},
			`station.yaml:27:22: fnp.listen.fep1: 10.0.0.1:7300 is already used by cluster.nodes[0].address: expected an address and port of its own`},

		{"insecure", []string{secured, "security: {insecure: true}", "10.0.0.1:7300", "127.0.0.1:7300",
			`"10.1.1.1:2404:M3"`, `"127.1.1.1:2404:M3"`},
			`station.yaml:4:70: cluster.nodes[0].api: 10.0.0.1 is not a loopback address: expected 127.0.0.0/8 or ::1 while security.insecure is true` + "\n" +
				`station.yaml:5:47: cluster.nodes[1].address: 10.0.0.2 is not a loopback address: expected 127.0.0.0/8 or ::1 while security.insecure is true` + "\n" +
				`station.yaml:5:69: cluster.nodes[1].api: 10.0.0.2 is not a loopback address: expected 127.0.0.0/8 or ::1 while security.insecure is true` + "\n" +
				`station.yaml:6:50: cluster.nodes[2].address: 10.0.0.3 is not a loopback address: expected 127.0.0.0/8 or ::1 while security.insecure is true` + "\n" +
				`station.yaml:6:72: cluster.nodes[2].api: 10.0.0.3 is not a loopback address: expected 127.0.0.0/8 or ::1 while security.insecure is true` + "\n" +
				`station.yaml:13:19: rtus[0].channels[0].address: 10.1.0.1 is not a loopback address: expected 127.0.0.0/8 or ::1 while security.insecure is true` + "\n" +
				`station.yaml:18:26: rtus[1].channels[0].address: 10.1.2.1 is not a loopback address: expected 127.0.0.0/8 or ::1 while security.insecure is true` + "\n" +
				`station.yaml:23:20: uplinks[0].listen.fep1: 10.0.0.1 is not a loopback address: expected 127.0.0.0/8 or ::1 while security.insecure is true` + "\n" +
				`station.yaml:23:43: uplinks[0].listen.fep2: 10.0.0.2 is not a loopback address: expected 127.0.0.0/8 or ::1 while security.insecure is true` + "\n" +
				`station.yaml:27:22: fnp.listen.fep1: 10.0.0.1 is not a loopback address: expected 127.0.0.0/8 or ::1 while security.insecure is true` + "\n" +
				`station.yaml:27:45: fnp.listen.fep2: 10.0.0.2 is not a loopback address: expected 127.0.0.0/8 or ::1 while security.insecure is true` + "\n" +
				`station.yaml:27:67: fnp.listen.wit: 10.0.0.3 is not a loopback address: expected 127.0.0.0/8 or ::1 while security.insecure is true`},
		{"insecure with keys", []string{secured, "security: {insecure: true, ca: ca.pem}"},
			`station.yaml:4:47: cluster.nodes[0].address: 10.0.0.1 is not a loopback address: expected 127.0.0.0/8 or ::1 while security.insecure is true` + "\n" +
				`station.yaml:4:69: cluster.nodes[0].api: 10.0.0.1 is not a loopback address: expected 127.0.0.0/8 or ::1 while security.insecure is true` + "\n" +
				`station.yaml:5:47: cluster.nodes[1].address: 10.0.0.2 is not a loopback address: expected 127.0.0.0/8 or ::1 while security.insecure is true` + "\n" +
				`station.yaml:5:69: cluster.nodes[1].api: 10.0.0.2 is not a loopback address: expected 127.0.0.0/8 or ::1 while security.insecure is true` + "\n" +
				`station.yaml:6:50: cluster.nodes[2].address: 10.0.0.3 is not a loopback address: expected 127.0.0.0/8 or ::1 while security.insecure is true` + "\n" +
				`station.yaml:6:72: cluster.nodes[2].api: 10.0.0.3 is not a loopback address: expected 127.0.0.0/8 or ::1 while security.insecure is true` + "\n" +
				`station.yaml:7:22: security.insecure: stands beside keys: expected either ca, cert, key and tokens, or insecure: true` + "\n" +
				`station.yaml:13:19: rtus[0].channels[0].address: 10.1.0.1 is not a loopback address: expected 127.0.0.0/8 or ::1 while security.insecure is true` + "\n" +
				`station.yaml:14:19: rtus[0].channels[1].address: 10.1.1.1 is not a loopback address: expected 127.0.0.0/8 or ::1 while security.insecure is true` + "\n" +
				`station.yaml:18:26: rtus[1].channels[0].address: 10.1.2.1 is not a loopback address: expected 127.0.0.0/8 or ::1 while security.insecure is true` + "\n" +
				`station.yaml:23:20: uplinks[0].listen.fep1: 10.0.0.1 is not a loopback address: expected 127.0.0.0/8 or ::1 while security.insecure is true` + "\n" +
				`station.yaml:23:43: uplinks[0].listen.fep2: 10.0.0.2 is not a loopback address: expected 127.0.0.0/8 or ::1 while security.insecure is true` + "\n" +
				`station.yaml:27:22: fnp.listen.fep1: 10.0.0.1 is not a loopback address: expected 127.0.0.0/8 or ::1 while security.insecure is true` + "\n" +
				`station.yaml:27:45: fnp.listen.fep2: 10.0.0.2 is not a loopback address: expected 127.0.0.0/8 or ::1 while security.insecure is true` + "\n" +
				`station.yaml:27:67: fnp.listen.wit: 10.0.0.3 is not a loopback address: expected 127.0.0.0/8 or ::1 while security.insecure is true`},
		{"secure without keys", []string{secured, "security: {ca: ca.pem}"},
			`station.yaml:7:11: security.cert: is missing: expected a value` + "\n" +
				`station.yaml:7:11: security.key: is missing: expected a value`},

		{"RTU twice", []string{"number: 2", "number: 1"},
			`station.yaml:15:13: rtus[1].number: 1 is already used by rtus[0].number: expected a different one`},
		{"link twice", []string{`"10.1.2.1:2404"`, `"10.1.1.4:2404"`},
			`station.yaml:18:15: rtus[1].channels: 10.1.1.4:2404 is a link of RTU 1 too, whose channels are others: expected the same channels, if both are behind one connection, or a different address`},
		{"link twice in an RTU", []string{`"10.1.0.1:2404"`, `"10.1.1.4:2404"`},
			`station.yaml:14:19: rtus[0].channels[1].address: 10.1.1.4:2404 is already used by rtus[0].channels[0].address: expected a different one`},
		{"one common address behind one connection", []string{`[{address: "10.1.2.1:2404"}]`, sharedChannels, "common_address: 2", "common_address: 1"},
			`station.yaml:16:21: rtus[1].common_address: 1 is already that of RTU 1, with which RTU 2 shares its connection: expected a different one, or other channels`},
		{"one connection with two timers", []string{`[{address: "10.1.2.1:2404"}]`, sharedChannels, "common_address: 2", "common_address: 2\n    retry: 7s\n    iec104: {k: 8, w: 4}"},
			`station.yaml:17:12: rtus[1].retry: is not that of RTU 1, with which RTU 2 shares its connection: expected the same for all RTUs that name 10.1.0.1:2404` + "\n" +
				`station.yaml:18:13: rtus[1].iec104: is not that of RTU 1, with which RTU 2 shares its connection: expected the same for all RTUs that name 10.1.0.1:2404`},
		{"link's syntax", []string{`"10.1.1.1:2404:M3"`, `"10.1.1.1:2404:3"`},
			`station.yaml:14:19: rtus[0].channels[1].address: "10.1.1.1:2404:3" is not a channel's address: expected address:port, or address:port:Mn for n+1 consecutive addresses, such as 192.168.2.1:2404:M3`},
		{"too many links", []string{`"10.1.1.1:2404:M3"`, `"10.1.1.1:2404:M64"`},
			`station.yaml:14:19: rtus[0].channels[1].address: "10.1.1.1:2404:M64" has more than 64 links: expected address:port, or address:port:Mn for n+1 consecutive addresses, such as 192.168.2.1:2404:M3`},
		{"links beyond the network", []string{`"10.1.1.1:2404:M3"`, `"10.1.1.253:2404:M3"`},
			`station.yaml:14:19: rtus[0].channels[1].address: "10.1.1.253:2404:M3" goes beyond 10.1.1.255: expected address:port, or address:port:Mn for n+1 consecutive addresses, such as 192.168.2.1:2404:M3`},
		{"no channel", []string{`channels: [{address: "10.1.2.1:2404"}]`, "channels: []"},
			`station.yaml:18:15: rtus[1].channels: is empty: expected at least one`},
		{"links", []string{`channels: [{address: "10.1.2.1:2404"}]`, `channels: [{address: "10.1.2.1:2404", links: both}]`},
			`station.yaml:18:50: rtus[1].channels[0].links: "both" is unknown: expected one of one-active, all-active`},
		{"files of distinct devices", []string{`channels: [{address: "10.1.2.1:2404"}]`, `files: true` + "\n" + `    channels: [{address: "10.1.2.1:2404", links: all-active}]`},
			`station.yaml:18:12: rtus[1].files: is not possible with channels[0], whose links lead to distinct devices: expected links: one-active`},
		{"files at an uplink", []string{"    points: occ.csv\n", "    points: occ.csv\n    files: [{rtu: 1}, {rtu: 9, common_address: 3}, {}, {rtu: 2, common_address: 100}]\n"},
			`station.yaml:23:19: uplinks[0].files[0].rtu: the files of RTU 1 are not fetched: expected files: true in rtus[0]` + "\n" +
				`station.yaml:23:29: uplinks[0].files[1].rtu: there is no RTU 9: expected the number of one in rtus` + "\n" +
				`station.yaml:23:48: uplinks[0].files[1].common_address: 3 is none of the uplink's: expected its common_address or that of one of its sectors` + "\n" +
				`station.yaml:23:52: uplinks[0].files[2].rtu: is missing: expected a value` + "\n" +
				`station.yaml:23:52: uplinks[0].files[2].common_address: 100 is already used by uplinks[0].files[0].common_address: expected a different one` + "\n" +
				`station.yaml:23:62: uplinks[0].files[3].rtu: the files of RTU 2 are not fetched: expected files: true in rtus[1]` + "\n" +
				`station.yaml:23:81: uplinks[0].files[3].common_address: 100 is already used by uplinks[0].files[0].common_address: expected a different one`},
		{"standby probe", []string{"common_address: 2", "common_address: 2\n    standby_probe: ping"},
			`station.yaml:17:20: rtus[1].standby_probe: "ping" is unknown: expected one of connect, hold, off`},
		{"prefer unknown", []string{"common_address: 2", "common_address: 2\n    prefer: fep3"},
			`station.yaml:17:13: rtus[1].prefer: node "fep3" is unknown: expected one of fep1, fep2`},
		{"prefer witness", []string{"common_address: 2", "common_address: 2\n    prefer: wit"},
			`station.yaml:17:13: rtus[1].prefer: node "wit" is the witness, which never owns anything: expected one of fep1, fep2`},
		{"period", []string{"common_address: 2", "common_address: 2\n    interrogation: 25h"},
			`station.yaml:17:20: rtus[1].interrogation: 25h is out of range: expected 1s to 24h`},
		{"k", []string{"common_address: 2", "common_address: 2\n    iec104: {k: 0}"},
			`station.yaml:17:17: rtus[1].iec104.k: 0 is out of range: expected 1 to 32767`},
		{"w above a k of 1", []string{"common_address: 2", "common_address: 2\n    iec104: {k: 1, w: 2}"},
			`station.yaml:17:23: rtus[1].iec104.w: 2 is out of range: expected at most two thirds of k: 1 to 1`},
		{"w above two thirds of k", []string{"common_address: 2", "common_address: 2\n    iec104: {k: 12, w: 9}"},
			`station.yaml:17:24: rtus[1].iec104.w: 9 is out of range: expected at most two thirds of k: 1 to 8`},
		{"t2 not below t1", []string{"common_address: 2", "common_address: 2\n    iec104: {t2: 15s}"},
			`station.yaml:17:18: rtus[1].iec104.t2: 15s is out of range: expected less than t1, which is 15s`},
		{"common address of one octet", []string{"common_address: 2", "common_address: 255\n    iec104: {ca_size: 1}"},
			`station.yaml:16:21: rtus[1].common_address: 255 is out of range: expected 1 to 254`},
		{"missing table", []string{"points: rtu2.csv", "points: rtu3.csv"},
			`station.yaml:17:13: rtus[1].points: "rtu3.csv": no such file: expected a table (CSV) beside station.yaml`},

		{"mode", []string{"role_ioa: 60001", "mode: active"},
			`station.yaml:25:11: uplinks[0].mode: "active" is unknown: expected one of exclusive, main-standby, dual-active`},
		{"uplink twice", []string{"virtual_points:", `  - name: occ
    common_address: 1
    points: occ.csv
    listen: {fep1: "10.0.0.1:2405", fep2: "10.0.0.2:2405"}
    groups: [{name: a, clients: [10.10.0.0/16]}]
virtual_points:`},
			`station.yaml:26:11: uplinks[1].name: occ is already used by uplinks[0].name: expected a different one`},
		{"uplink without a FEP", []string{`listen: {fep1: "10.0.0.1:2404", fep2: "10.0.0.2:2404"}`, `listen: {fep1: "10.0.0.1:2404"}`},
			`station.yaml:23:13: uplinks[0].listen: has no address for fep2: expected one for each fep: fep1, fep2`},
		{"uplink on unknown nodes", []string{`fep2: "10.0.0.2:2404"`, `fep2: "10.0.0.2:2404", fep3: "10.0.0.4:2404", wit: "10.0.0.3:2404"`},
			`station.yaml:23:66: uplinks[0].listen.fep3: node "fep3" is unknown: expected one of fep1, fep2` + "\n" +
				`station.yaml:23:88: uplinks[0].listen.wit: node "wit" is the witness, which never owns anything: expected one of fep1, fep2`},
		{"group twice", []string{"name: b,", "name: a,"},
			`station.yaml:24:57: uplinks[0].groups[1].name: a is already used by uplinks[0].groups[0].name: expected a different one`},
		{"no group", []string{"groups: [{name: a, clients: [10.10.0.0/16]}, {name: b, clients: [10.20.0.0/16]}]", "groups: []"},
			`station.yaml:24:13: uplinks[0].groups: is empty: expected at least one`},
		{"no clients", []string{"clients: [10.20.0.0/16]", "clients: []"},
			`station.yaml:24:69: uplinks[0].groups[1].clients: is empty: expected at least one`},
		{"clients' syntax", []string{"clients: [10.20.0.0/16]", "clients: [10.20.0.0/33, 10.20.0.1/16, {}]"},
			`station.yaml:24:70: uplinks[0].groups[1].clients[0]: "10.20.0.0/33" is not a network: expected an address or CIDR such as 10.10.0.0/16` + "\n" +
				`station.yaml:24:84: uplinks[0].groups[1].clients[1]: 10.20.0.1/16 has bits set outside its mask: expected 10.20.0.0/16` + "\n" +
				`station.yaml:24:98: uplinks[0].groups[1].clients[2]: a mapping is not a text: expected a text`},
		{"groups overlap", []string{"clients: [10.20.0.0/16]", "clients: [10.20.0.0/16, 10.10.3.4]"},
			`station.yaml:24:84: uplinks[0].groups[1].clients[1]: 10.10.3.4/32 overlaps 10.10.0.0/16 of uplinks[0].groups[0].clients[0]: expected each client in one group`},
		{"certificates without TLS", []string{"name: b,", "name: b, certificates: [occ1],"},
			`station.yaml:24:74: uplinks[0].groups[1].certificates: are of no use on plain TCP: expected tls beside listen`},
		{"TLS without keys", []string{"role_ioa: 60001", "tls: {ca: occ.pem}"},
			`station.yaml:25:10: uplinks[0].tls.cert: is missing: expected a value` + "\n" +
				`station.yaml:25:10: uplinks[0].tls.key: is missing: expected a value`},
		{"role_ioa", []string{"role_ioa: 60001", "role_ioa: 16777216"},
			`station.yaml:25:15: uplinks[0].role_ioa: 16777216 is out of range: expected 1 to 16777215`},

		{"redis mode", []string{"fnp:", "redis: {mode: on}\nfnp:"},
			`station.yaml:27:15: redis.mode: "on" is unknown: expected one of off, embedded, per-node, shared`},
		{"redis shared without a server", []string{"fnp:", "redis: {mode: shared}\nfnp:"},
			`station.yaml:27:15: redis.mode: shared needs to know the server: expected either address or sentinel beside it`},
		{"redis embedded with TLS", []string{"fnp:", "redis: {mode: embedded, tls: {ca: c.pem}}\nfnp:"},
			`station.yaml:27:30: redis.tls: has no use with mode embedded, whose server has no TLS: expected mode: per-node or shared`},
		{"redis embedded for others without a password", []string{"fnp:", "redis: {mode: embedded, address: \"10.0.0.1:6379\"}\nfnp:"},
			`station.yaml:27:34: redis.address: "10.0.0.1:6379" can be reached by others, and no password is set: expected password_file beside it, a loopback address, or a socket such as unix:/run/fepha/redis.sock`},
		{"backups in a relative folder", []string{"fnp:", "backup: {dir: backups}\nfnp:"},
			`station.yaml:27:15: backup.dir: "backups" is relative: expected an absolute path: nodes are started in different folders`},
		{"backups without end", []string{"fnp:", "backup: {dir: /b, every: 1m, keep: 0, of: x}\nfnp:"},
			"station.yaml:27:26: backup.every: 1m is out of range: expected 1h to 720h\n" +
				"station.yaml:27:36: backup.keep: 0 is out of range: expected 1 to 1000\n" +
				"station.yaml:27:39: backup.of: unknown key: expected one of dir, every, keep, passphrase_file"},
		{"redis on a relative socket", []string{"fnp:", "redis: {mode: embedded, address: \"unix:redis.sock\"}\nfnp:"},
			`station.yaml:27:34: redis.address: "unix:redis.sock" is no socket's path: expected one such as unix:/run/fepha/redis.sock, of at most 107 octets`},
		{"redis shared on a socket", []string{"fnp:", "redis: {mode: shared, address: \"unix:/run/redis.sock\"}\nfnp:"},
			`station.yaml:27:32: redis.address: is a socket on one host: expected a host with a port with mode shared or TLS`},
		{"redis user without a password", []string{"fnp:", "redis: {mode: per-node, username: fep}\nfnp:"},
			`station.yaml:27:35: redis.username: has no password: expected password_file beside it`},
		{"redis sentinel alone", []string{"fnp:", "redis: {mode: per-node, sentinel: {master: m, addresses: [x]}}\nfnp:"},
			`station.yaml:27:35: redis.sentinel: has no use with mode per-node: expected mode: shared` + "\n" +
				`station.yaml:27:59: redis.sentinel.addresses[0]: "x" is not a host with a port: expected one such as 127.0.0.1:6379 or redis.station:6379`},
		{"redis address", []string{"fnp:", "redis: {mode: shared, address: redis, tls: {cert: c.pem}}\nfnp:"},
			`station.yaml:27:32: redis.address: "redis" is not a host with a port: expected one such as 127.0.0.1:6379 or redis.station:6379` + "\n" +
				`station.yaml:27:44: redis.tls: has only one of cert and key: expected both or none`},
		{"redis password", []string{"fnp:", "redis: {mode: shared, address: \"redis:6379\", password: geheim}\nfnp:"},
			`station.yaml:27:46: redis.password: unknown key: expected one of mode, username, password_file, tls, address, sentinel`},
		{"retain_for", []string{"fnp:", "journal: {retain_for: 1s}\nfnp:"},
			`station.yaml:27:23: journal.retain_for: 1s is out of range: expected 1m to 87600h`},
		{"chatter", []string{"fnp:", "fnp:", "rtu2.csv|category", "category,chatter", "rtu2.csv|Charger,,,,,,", "Charger,,,,,,,20"},
			`rtu2.csv:2:23: chatter: "20" is no chatter: expected ` + chatterExpected},
		{"trend", []string{"fnp:", "trend: {length: 24h}\nfnp:"},
			`station.yaml:27:17: trend.length: 24h at one sample in 1s takes 576 MiB on each FEP: expected at most 256 MiB: 10h at most, or a longer period`},
		{"trend's period", []string{"fnp:", "trend: {period: 100ms}\nfnp:"},
			`station.yaml:27:17: trend.period: 100ms is out of range: expected 1s to 10m`},
		{"retain", []string{"fnp:", "journal: {retain: 0}\nfnp:"},
			`station.yaml:27:19: journal.retain: 0 is out of range: expected 1 to 10000000`},

		{"FNP on unknown node", []string{`wit: "10.0.0.3:7400"`, `wt: "10.0.0.3:7400"`},
			`station.yaml:27:15: fnp.listen: has no address for wit: expected one for each node, since each may lead: fep1, fep2, wit` + "\n" +
				`station.yaml:27:66: fnp.listen.wt: node "wt" is unknown: expected one of fep1, fep2, wit`},
		{"FNP nowhere", []string{`{fep1: "10.0.0.1:7400", fep2: "10.0.0.2:7400", wit: "10.0.0.3:7400"}`, "{}"},
			`station.yaml:27:15: fnp.listen: has no address for fep1: expected one for each node, since each may lead: fep1, fep2, wit` + "\n" +
				`station.yaml:27:15: fnp.listen: has no address for fep2: expected one for each node, since each may lead: fep1, fep2, wit` + "\n" +
				`station.yaml:27:15: fnp.listen: has no address for wit: expected one for each node, since each may lead: fep1, fep2, wit`},
		{"FNP wildcard", []string{`wit: "10.0.0.3:7400"`, `wit: "0.0.0.0:7400"`},
			`station.yaml:27:67: fnp.listen.wit: 0.0.0.0:7400 is a wildcard: expected the address at which others reach this node`},
		{"FNP multicast port", []string{"key_file: fnp.key", `key_file: fnp.key, multicast: "239.1.2.3:7400"`},
			`station.yaml:27:22: fnp.listen.fep1: port 7400 is the multicast group's too: expected another port` + "\n" +
				`station.yaml:27:45: fnp.listen.fep2: port 7400 is the multicast group's too: expected another port` + "\n" +
				`station.yaml:27:67: fnp.listen.wit: port 7400 is the multicast group's too: expected another port`},
		{"FNP multicast of another kind", []string{"key_file: fnp.key", `key_file: fnp.key, multicast: "[ff15::1]:7499"`, `"10.0.0.1:7400", fep2: "10.0.0.2:7400"`, `"[fd00::1]:7400", fep2: "[fd00::2]:7400"`},
			`station.yaml:27:69: fnp.listen.wit: 10.0.0.3:7400 and the multicast group [ff15::1]:7499 are of two kinds: expected both IPv4 or both IPv6`},
		{"FNP others", []string{"key_file: fnp.key", `key_file: fnp.key, others: ["10.92.2.66:7400", fep1]`},
			`station.yaml:27:132: fnp.others[1]: "fep1" is not an address with a port: expected one such as 10.91.2.66:7400 or [fd00::66]:7400`},
		{"FNP name", []string{"key_file: fnp.key", `key_file: fnp.key, name: "123456789012345678901234567890123"`},
			`station.yaml:27:110: fnp.name: "123456789012345678901234567890123" has 33 octets: expected at most 32 octets of printable UTF-8`},
		{"FNP endpoint", []string{"key_file: fnp.key", `key_file: fnp.key, endpoint: {id: 21, listen: {fep1: "10.0.0.1:7400", wit: "10.0.0.3:7401"}}`},
			`station.yaml:27:119: fnp.endpoint.id: 21 is the centre's, fnp.id: expected an id of its own` + "\n" +
				`station.yaml:27:131: fnp.endpoint.listen: has no address for fep2: expected one for each fep: fep1, fep2` + "\n" +
				`station.yaml:27:138: fnp.endpoint.listen.fep1: 10.0.0.1:7400 is already used by fnp.listen.fep1: expected an address and port of its own` + "\n" +
				`station.yaml:27:160: fnp.endpoint.listen.wit: node "wit" is the witness, which never owns anything: expected one of fep1, fep2`},
		{"FNP without a key", []string{", key_file: fnp.key", ""},
			`station.yaml:27:6: fnp.key_file: is missing: expected a file with the stations' key, or security: {insecure: true}`},
		{"FNP multicast", []string{"key_file: fnp.key", `key_file: fnp.key, multicast: "10.1.2.3:7400", level: 0`},
			`station.yaml:27:115: fnp.multicast: 10.1.2.3 is not a multicast address: expected one of 224.0.0.0/4 or ff00::/8` + "\n" +
				`station.yaml:27:139: fnp.level: 0 is out of range: expected 1 to 255`},
		{"everything at once", []string{"id: 21", "id: 0", "host: 2", "host: 1", "rtu1.csv|di,1,1", "di,1,0", "virtual.csv|rtu:1", "rtu:9",
			"occ.csv|M_ME_NC_1", "M_SP_TB_1"},
			`station.yaml:1:15: station.id: 0 is out of range: expected 1 to 65535` + "\n" +
				`station.yaml:5:24: cluster.nodes[1].host: 1 is already used by cluster.nodes[0].host: expected a different one` + "\n" +
				`rtu1.csv:2:6: ioa: 0 is out of range: expected 1 to 16777215` + "\n" +
				`virtual.csv:2:10: source: rtu:9: RTU 9 is unknown: expected the number of an RTU in station.yaml` + "\n" +
				`occ.csv:4:12: type: "M_SP_TB_1" is not a type of kind ai: expected one of M_ST_NA_1 (5), M_ME_NA_1 (9), M_ME_NB_1 (11), M_ME_NC_1 (13), M_ME_ND_1 (21), M_ST_TB_1 (32), M_ME_TD_1 (34), M_ME_TE_1 (35), M_ME_TF_1 (36)`},
	} {
		t.Run(test.name, func(t *testing.T) { wantErrors(t, station(t, test.replace...), test.want) })
	}
}
