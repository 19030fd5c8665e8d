package configs

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"
)

// exporting is the test station with exports.
func exporting(t *testing.T, exports string) fs.FS {
	return station(t, "uplinks:", "exports: ["+exports+"]\nuplinks:")
}

func TestExports(t *testing.T) {
	s, err := LoadFS(exporting(t, `{name: a, kind: postgres, url: "postgres://fepha@10.0.0.9/soe", tls: {}, values: 5s}, `+
		`{name: b, kind: mqtt, url: "mqtts://10.0.0.9", topic: "metro/{station}/{rtu}/{kind}/{point}", values: true}, `+
		`{name: c, kind: file, dir: /var/lib/fepha/soe, rotate: 12h, keep: 400d, compress: zstd}, {name: d, kind: syslog, url: "syslog+tls://10.0.0.9"}, `+
		`{name: e, kind: kafka, brokers: ["127.0.0.1:9092"], topic: events, content: all}`), "station.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range s.Exports {
		got = append(got, fmt.Sprint(e.Name, " ", e.Kind, " ", e.Events(), " ", e.Audit(), " ", e.Values, " ", int(e.Keep/(24*time.Hour))))
	}
	want := "a postgres true false 5s 0; b mqtt true false 1s 0; c file true false 0s 400; d syslog true true 0s 0; e kafka true true 0s 0"
	if strings.Join(got, "; ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "; "), want)
	}
}

func TestExportsRefused(t *testing.T) {
	for _, c := range []struct{ name, export, want string }{
		{"no kind", `{name: a}`, `exports[0].kind: is missing`},
		{"kind", `{name: a, kind: redis}`, `"redis" is unknown: expected one of postgres, mqtt, file, syslog, kafka`},
		{"key of another kind", `{name: a, kind: file, dir: /d, topic: x}`, `topic: unknown key`},
		{"two of a name", `{name: a, kind: file, dir: /d}, {name: a, kind: file, dir: /e}`, `exports[1].name: a is already used by exports[0].name`},
		{"two in a folder", `{name: a, kind: file, dir: /d}, {name: b, kind: file, dir: /d/}`, `exports[1].dir: /d is already used by exports[0].dir`},
		{"relative folder", `{name: a, kind: file, dir: soe}`, `"soe" is relative`},
		{"clear text", `{name: a, kind: postgres, url: "postgres://u@10.0.0.9/d"}`, `exports[0].tls: is missing: "10.0.0.9" is another host`},
		{"clear text by scheme", `{name: a, kind: mqtt, url: "mqtt://10.0.0.9", topic: t}`, `is another host`},
		{"clear text to a broker", `{name: a, kind: kafka, brokers: ["127.0.0.1:1", "10.0.0.9:1"], topic: t}`, `"10.0.0.9" is another host`},
		{"password", `{name: a, kind: postgres, url: "postgres://u:hunter2@127.0.0.1/d"}`, `url: has a password in it`},
		{"another scheme", `{name: a, kind: postgres, url: "mysql://u@127.0.0.1/d"}`, `url: is none that this kind takes: expected postgres://host:port`},
		{"wildcard topic", `{name: a, kind: mqtt, url: "mqtt://127.0.0.1", topic: "a/#"}`, `"a/#" can't be published to`},
		{"unknown word", `{name: a, kind: mqtt, url: "mqtt://127.0.0.1", topic: "a/{node}"}`, `"a/{node}" can't be published to`},
		{"topic", `{name: a, kind: kafka, brokers: ["127.0.0.1:1"], topic: "a b"}`, `"a b" can't be a topic`},
		{"values too often", `{name: a, kind: postgres, url: "postgres://u@127.0.0.1/d", values: 100ms}`, `100ms is out of range: expected 1s to 1h`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := LoadFS(exporting(t, c.export), "station.yaml")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the password is in %v", err)
			}
		})
	}
}
