package configs

import (
	"testing"
	"testing/fstest"
)

func TestDigestIgnoresHowItIsWritten(t *testing.T) {
	want := mustLoad(t, station(t), "station.yaml").Digest()
	if len(want) != 64 {
		t.Fatalf("digest: %q", want)
	}
	for name, replace := range map[string][]string{
		"comment":         {"security:", "# keys\nsecurity:"},
		"written default": {"security:", "  lease: 500ms\nsecurity:"},
		"order of rows":   {"occ.csv|1,1,di,1,M_SP_TB_1,\n2,900,di,1,M_SP_TB_1,Up\n", "2,900,di,1,M_SP_TB_1,Up\n1,1,di,1,M_SP_TB_1,\n"},
		"type's number":   {"rtu1.csv|M_SP_TB_1", "30"},
		"order of keys":   {"id: 21, name: Test", "name: Test, id: 21"},
		"line ends":       {"rtu2.csv|\n", "\r\n"},
	} {
		if got := mustLoad(t, station(t, replace...), "station.yaml").Digest(); got != want {
			t.Errorf("%s changes the digest", name)
		}
	}
}

func TestDigestSeesEveryChange(t *testing.T) {
	seen := map[string]string{mustLoad(t, station(t), "station.yaml").Digest(): "none"}
	for name, replace := range map[string][]string{
		"name":            {"name: Test", "name: Toast"},
		"time zone":       {"name: Test", "name: Test, time_zone: Asia/Shanghai"},
		"lease":           {"security:", "  lease: 600ms\nsecurity:"},
		"node":            {"10.0.0.2:7310", "10.0.0.2:7311"},
		"key":             {"cert: node.pem", "cert: other.pem"},
		"redis":           {"fnp:", "redis: {mode: embedded}\nfnp:"},
		"redis's TLS":     {"fnp:", "redis: {mode: per-node, tls: {}}\nfnp:"},
		"RTU":             {"number: 2", "number: 2\n    retry: 6s"},
		"link":            {"10.1.1.1:2404:M3", "10.1.1.1:2404:M2"},
		"prefer":          {"number: 2", "number: 2\n    prefer: fep2"},
		"TLS to a device": {"number: 2", "number: 2\n    tls: {ca: c.pem}"},
		"protocol":        {"number: 2", "number: 2\n    iec104: {k: 13}"},
		"uplink":          {"role_ioa: 60001", "role_ioa: 60002"},
		"group":           {"10.20.0.0/16", "10.21.0.0/16"},
		"listener":        {"10.0.0.2:2404", "10.0.0.2:2405"},
		"FNP":             {"key_file: fnp.key", "key_file: fnp.key, level: 2"},
		"FNP's others":    {"key_file: fnp.key", "key_file: fnp.key, others: [\"10.92.2.66:7400\"]"},
		"FNP's id":        {"key_file: fnp.key", "key_file: fnp.key, id: 22"},
		"FNP endpoint":    {"key_file: fnp.key", "key_file: fnp.key, endpoint: {id: 22, listen: {fep1: \"10.0.0.1:7401\", fep2: \"10.0.0.2:7401\"}}"},
		"FNP endpoint 2":  {"key_file: fnp.key", "key_file: fnp.key, endpoint: {id: 23, listen: {fep1: \"10.0.0.1:7401\", fep2: \"10.0.0.2:7401\"}}"},
		"multicast":       {"key_file: fnp.key", "key_file: fnp.key, multicast: \"239.1.2.3:7409\""},
		"no FNP":          {`fnp: {listen: {fep1: "10.0.0.1:7400", fep2: "10.0.0.2:7400", wit: "10.0.0.3:7400"}, key_file: fnp.key}`, ""},
		"point's name":    {"rtu1.csv|Breaker", "breaker"},
		"point's IOA":     {"rtu1.csv|1,101", "1,102"},
		"type":            {"rtu1.csv|M_SP_TB_1", "M_SP_NA_1"},
		"scale":           {"rtu1.csv|0.1", "0.2"},
		"deadband":        {"rtu1.csv|0.5%", "0.5"},
		"unit":            {"rtu1.csv|kV", "V"},
		"invert":          {"rtu2.csv|Charger,,,,,,", "Charger,,,,,true,"},
		"category":        {"rtu1.csv|,DO", ",20"},
		"removed point":   {"occ.csv|101,1,ai,1,M_ME_NC_1,\n", ""},
		"uplink's type":   {"occ.csv|M_ME_NC_1", "M_ME_TF_1"},
		"uplink's name":   {"occ.csv|,Up", ",On"},
		"virtual point":   {"virtual.csv|rtu:1", "rtu:2"},
	} {
		digest := mustLoad(t, station(t, replace...), "station.yaml").Digest()
		if other, twice := seen[digest]; twice {
			t.Errorf("%s: same digest as %s", name, other)
		}
		seen[digest] = name
	}
}

func TestDigestOfAnRTUIsItsOwn(t *testing.T) {
	before := mustLoad(t, station(t), "station.yaml")
	after := mustLoad(t, station(t, "rtu1.csv|0.1", "0.2"), "station.yaml")
	if before.RTUs[0].Digest() == after.RTUs[0].Digest() {
		t.Error("RTU 1 has changed, its digest hasn't")
	}
	if before.RTUs[1].Digest() != after.RTUs[1].Digest() || before.Uplinks[0].Digest() != after.Uplinks[0].Digest() {
		t.Error("only RTU 1 has changed, the digest of another has too")
	}
}

func TestYAMLLoadsAsTheSameStation(t *testing.T) {
	check := func(t *testing.T, fsys fstest.MapFS, name string) {
		t.Helper()
		s := mustLoad(t, fsys, name)
		shown, err := s.YAML()
		if err != nil {
			t.Fatal(err)
		}
		fsys[name] = &fstest.MapFile{Data: shown}
		again := mustLoad(t, fsys, name)
		if again.Digest() != s.Digest() {
			t.Errorf("another station:\n%s", shown)
		}
		if twice, err := again.YAML(); err != nil || string(twice) != string(shown) {
			t.Errorf("%v: first\n%s\nthen\n%s", err, shown, twice)
		}
	}
	check(t, station(t, "number: 2", "number: 2\n    clock_sync: off", "fnp:", "redis: {mode: shared, address: \"redis:6379\", tls: {}}\nfnp:",
		"role_ioa: 60001", "tls: {ca: a, cert: b, key: c}\n    set_clock: true", "name: b,", "name: b, certificates: [occ1],").(fstest.MapFS), "station.yaml")
	check(t, exporting(t, `{name: a, kind: postgres, url: "postgres://fepha@10.0.0.9/soe", tls: {}, values: 5s}, {name: b, kind: file, dir: /d, keep: 400d, compress: zstd}, `+
		`{name: c, kind: kafka, brokers: ["127.0.0.1:9092"], topic: events, content: all}`).(fstest.MapFS), "station.yaml")
	check(t, station(t, "fnp:", `exports:
  - {name: a, kind: postgres, url: "postgres://soe@localhost/soe", password_file: pw, values: 5s, tls: {}}
  - {name: b, kind: mqtt, url: "mqtts://bus:8883", topic: "soe/{rtu}", content: all, values: true}
  - {name: c, kind: kafka, brokers: ["localhost:9093"], topic: t, username: soe, password_file: pw}
  - {name: d, kind: file, dir: /soe, format: jsonl, rotate: off, keep: 30d, compress: zstd}
  - {name: e, kind: syslog, url: "syslog+tcp://localhost:6514"}
fnp:`).(fstest.MapFS), "station.yaml")
	for _, name := range []string{"examples/station.yaml", "examples/secured/station.yaml"} {
		fsys := fstest.MapFS{}
		for _, file := range mustLoad(t, Examples, name).Files {
			path := name[:len(name)-len("station.yaml")] + file
			data, err := Examples.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			fsys[path] = &fstest.MapFile{Data: data}
		}
		check(t, fsys, name)
	}
}

func FuzzStation(f *testing.F) {
	f.Add([]byte(base))
	f.Add([]byte("station: {id: *a}\n<<: {x: 1}\nrtus: [[1], {channels: [x, {}]}]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		fsys := station(t).(fstest.MapFS)
		fsys["station.yaml"] = &fstest.MapFile{Data: data}
		s, err := LoadFS(fsys, "station.yaml")
		if (s == nil) == (err == nil) {
			t.Errorf("%v, %v", s, err)
		}
		if s != nil {
			s.Digest()
		}
	})
}
