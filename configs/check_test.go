package configs

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestAnyClientMayOperateIsAWarning(t *testing.T) {
	const anyone = "10.10.0.0/16]}, {name: b, clients: [10.20.0.0/16]}]"
	for _, test := range []struct{ controls, want string }{
		{"", ""},
		{"\n    controls: true", "station.yaml:24:34: uplinks[0].groups[0].clients[0]: 0.0.0.0/0 lets any address operate switches: expected the control centre's networks, or tls for the uplink"},
		{"\n    controls: true\n    tls: {ca: a.pem, cert: b.pem, key: c.pem}", ""},
	} {
		s := mustLoad(t, station(t, anyone, "0.0.0.0/0]}]"+test.controls, "occ.csv|name\n", "name\n"+allForwarded), "station.yaml")
		if got := s.Warnings.Error(); got != test.want {
			t.Errorf("with %q: %s, want %s", test.controls, got, test.want)
		}
	}
}

// allForwarded is the row that the base's table of the uplink lacks.
const allForwarded = "3,2,di,1,M_SP_TB_1,\n"

func TestPointsInNoUplinkAreAWarning(t *testing.T) {
	const want = "station.yaml:17:13: rtus[1].points: 1 point is in no uplink's table, such as di/1 Charger: no control centre gets it: expected rows in an uplink's table"
	if got := mustLoad(t, station(t), "station.yaml").Warnings.Error(); got != want {
		t.Error(got)
	}
	s := mustLoad(t, station(t, "rtu2.csv|di,1,1,,Charger", "do,1,1,45,Charger"), "station.yaml")
	if got := s.Warnings.Error(); got != "" {
		t.Errorf("a control in no uplink's table: %s", got)
	}
	s.Uplinks = nil
	if got := s.Unforwarded(); got != nil {
		t.Errorf("a station without uplinks: %v", got)
	}
}

func TestTwoRTUsAtOneDeviceAreAWarning(t *testing.T) {
	const twice = "station.yaml:18:26: rtus[1].channels[0].address: RTU 1 is at 10.1.0.1 too, with the same common address 1: likely one device, each of whose events comes twice: expected one RTU for each device"
	for _, test := range []struct{ name, ca, address, want string }{
		{"another port", "1", "10.1.0.1:2405", twice},
		{"another common address", "2", "10.1.0.1:2405", ""},
		{"another host", "1", "10.1.2.1:2404", ""},
	} {
		s := mustLoad(t, station(t, "common_address: 2", "common_address: "+test.ca, "10.1.2.1:2404", test.address,
			"occ.csv|name\n", "name\n"+allForwarded), "station.yaml")
		if got := s.Warnings.Error(); got != test.want {
			t.Errorf("%s: %s", test.name, got)
		}
	}
	// A concentrator: one connection, several common addresses.
	s := mustLoad(t, station(t, `[{address: "10.1.2.1:2404"}]`, `[{address: "10.1.0.1:2404"}, {address: "10.1.1.1:2404:M3"}]`,
		"occ.csv|name\n", "name\n"+allForwarded), "station.yaml")
	if got := s.Warnings.Error(); got != "" || len(s.RTUs[0].Sharing) != 2 {
		t.Errorf("RTUs %v that share their links: %s", s.RTUs[0].Sharing, got)
	}
}

func TestAnUnusedTableIsAWarning(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a[1]*") // nothing of a pattern's in it means anything
	sectors := "role_ioa: 60001\n    sectors: [{common_address: 101, points: second.csv}]"
	if err := os.CopyFS(dir, station(t, "role_ioa: 60001", sectors)); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("second.csv", "ioa,rtu,kind,point,type,name\n"+allForwarded)
	path := filepath.Join(dir, "station.yaml")
	bundle, s, err := ReadBundle(path)
	if err != nil || !slices.Contains(bundle.Names(), "second.csv") {
		t.Errorf("the table of a sector is not in the bundle of %v: %v", s, err)
	}
	for _, test := range []struct{ name, want string }{
		{"notes.txt", ""},
		{"old.csv", filepath.Join(dir, "old.csv") + ": is a table that station.yaml doesn't name: expected a key that names it, or another folder"},
	} {
		write(test.name, "kind")
		s, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Warnings.Error(); got != test.want {
			t.Errorf("%s: %s", test.name, got)
		}
	}
}
