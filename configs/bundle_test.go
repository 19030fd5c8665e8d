package configs

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeStation writes base, changed by replacing old by new, and its tables into a folder.
func writeStation(t testing.TB, dir string, tables map[string]string, oldnew ...string) string {
	t.Helper()
	files := maps.Clone(baseTables)
	maps.Copy(files, tables)
	files["station.yaml"] = strings.NewReplacer(oldnew...).Replace(base)
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "station.yaml")
}

func TestBundleArrivesAsItWas(t *testing.T) {
	from := writeStation(t, t.TempDir(), map[string]string{"tables/rtu1.csv": baseTables["rtu1.csv"] + "di,2,2,,New,,,,,,\n"}, "points: rtu1.csv", "points: tables/rtu1.csv")
	b, s, err := ReadBundle(from)
	if err != nil {
		t.Fatal(err)
	}
	octets, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, _ := b.Encode()
	if !bytes.Equal(octets, again) {
		t.Error("equal bundles differ")
	}
	got, err := DecodeBundle(octets)
	if err != nil {
		t.Fatal(err)
	}
	// On the other machine it has another name, and keys of its own.
	to := filepath.Join(t.TempDir(), "plant.yaml")
	loaded, err := got.Load(to)
	if err != nil || loaded.Digest() != s.Digest() {
		t.Fatalf("loaded without being written: %v", err)
	}
	if loaded.Security.Key.Path != filepath.Join(filepath.Dir(to), "node.key") {
		t.Errorf("its key is looked for at %s", loaded.Security.Key.Path)
	}
	for range 2 { // as after a crash
		if err := got.Writable(to); err != nil {
			t.Fatal(err)
		}
		if err := got.Write(to); err != nil {
			t.Fatal(err)
		}
	}
	if written, err := Load(to); err != nil || written.Digest() != s.Digest() {
		t.Fatalf("written: %v", err)
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(to), ".*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestBundleIsRefused(t *testing.T) {
	outside := writeStation(t, filepath.Join(t.TempDir(), "a"), nil, "points: rtu1.csv", "points: ../rtu1.csv")
	if err := os.Rename(filepath.Join(filepath.Dir(outside), "rtu1.csv"), filepath.Join(filepath.Dir(outside), "..", "rtu1.csv")); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(outside); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ReadBundle(outside); err == nil || !strings.Contains(err.Error(), "../rtu1.csv") {
		t.Errorf("a table outside of the folder: %v", err)
	}
	pack := func(h tar.Header, text string) []byte {
		var b bytes.Buffer
		zip := gzip.NewWriter(&b)
		archive := tar.NewWriter(zip)
		if h.Size == 0 {
			h.Size = int64(len(text))
		}
		archive.WriteHeader(&h)
		archive.Write([]byte(text))
		archive.Flush()
		zip.Close()
		return b.Bytes()
	}
	for name, data := range map[string][]byte{
		"nothing":                    nil,
		"noise":                      []byte("station: {}"),
		"another folder":             pack(tar.Header{Name: "../../etc/passwd"}, "x"),
		"an absolute name":           pack(tar.Header{Name: "/etc/passwd"}, "x"),
		"a link":                     pack(tar.Header{Name: "station.yaml", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, ""),
		"cut short":                  pack(tar.Header{Name: "station.yaml", Size: 100}, "x"),
		"more than it may be":        pack(tar.Header{Name: "station.yaml", Size: maxBundleSize + 1}, "x"),
		"no station.yaml":            pack(tar.Header{Name: "rtu1.csv"}, "x"),
		"a key":                      pack(tar.Header{Name: "tls/node-key.pem"}, "x"),
		"tokens":                     pack(tar.Header{Name: "tokens.yaml"}, "[]"),
		"a name that moves a cursor": pack(tar.Header{Name: "\x1b[2J.csv"}, "x"),
		"a long name":                pack(tar.Header{Name: strings.Repeat("x", maxBundleName) + ".csv"}, "x"),
		"noughts":                    pack(tar.Header{Name: "rtu1.csv"}, strings.Repeat("\x00", 64<<20)),
	} {
		_, err := DecodeBundle(data)
		if !errors.Is(err, ErrBundle) {
			t.Errorf("%s: %v", name, err)
		}
		if tooMuch := name == "noughts" || name == "more than it may be"; tooMuch && !strings.Contains(err.Error(), "octets unpacked from") {
			t.Errorf("%s: %v, expected that to be said before it's read", name, err)
		}
	}
	named := func(files map[string]string) error {
		dir := t.TempDir()
		path := writeStation(t, dir, nil)
		b, _, err := ReadBundle(path)
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			b.files[name] = []byte(text)
		}
		octets, err := b.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if b, err = DecodeBundle(octets); err == nil {
			_, err = b.Load(path)
		}
		return err
	}
	if err := named(nil); err != nil {
		t.Errorf("what it names: %v", err)
	}
	for _, name := range []string{"other.csv", "tokens.yaml", "tls/ca.pem"} {
		if err := named(map[string]string{name: "x"}); !errors.Is(err, ErrBundle) || !strings.Contains(err.Error(), name) {
			t.Errorf("with %s beside what it names: %v", name, err)
		}
	}
	keys := writeStation(t, t.TempDir(), map[string]string{"tokens.yaml": baseTables["rtu1.csv"]}, "points: rtu1.csv", "points: tokens.yaml")
	if _, _, err := ReadBundle(keys); err == nil || !strings.Contains(err.Error(), "ends in .csv") {
		t.Errorf("a table with the name of a file of tokens: %v", err)
	}
	// A table that was not sent is missing, even if there is one on this machine.
	b, _, err := ReadBundle(writeStation(t, t.TempDir(), nil))
	if err != nil {
		t.Fatal(err)
	}
	delete(b.files, "rtu2.csv")
	if _, err := b.Load(writeStation(t, t.TempDir(), nil)); err == nil || !strings.Contains(err.Error(), "\"rtu2.csv\": no such file") {
		t.Errorf("a table that wasn't sent: %v", err)
	}
}

func TestCompare(t *testing.T) {
	dir := t.TempDir()
	load := func(tables map[string]string, oldnew ...string) *Station {
		t.Helper()
		s, err := Load(writeStation(t, dir, tables, oldnew...))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	from := load(nil)
	rtu1 := baseTables["rtu1.csv"]
	const third = "  - {number: 3, common_address: 3, points: rtu2.csv, channels: [{address: \"10.1.3.1:2404\"}]}\n"
	for _, c := range []struct {
		name   string
		tables map[string]string
		oldnew []string
		want   string // changes
		fixed  string
	}{
		{name: "nothing"},
		{name: "only how it's written", oldnew: []string{"number: 2", "number: 2 # the second"}, tables: map[string]string{"rtu1.csv": strings.ReplaceAll(rtu1, ",", ";")}},
		{name: "points", tables: map[string]string{"rtu1.csv": strings.Replace(rtu1, "di,1,1,M_SP_TB_1,Breaker", "di,1,1,M_SP_TB_1,Circuit breaker", 1) + "di,2,2,,New,,,,,,\n"},
			want: "RTU 1 changed: 1 point added, 1 point changed; uplink occ changed: 1 point changed"},
		{name: "a scale", tables: map[string]string{"rtu1.csv": strings.Replace(rtu1, "0.1", "0.2", 1)}, want: "RTU 1 changed: 1 point changed"},
		{name: "settings", oldnew: []string{"    common_address: 2\n", "    common_address: 22\n    retry: 7s\n"}, want: "RTU 2 changed: common_address, retry"},
		{name: "another RTU", oldnew: []string{"uplinks:\n", third + "uplinks:\n"}, want: "RTU 3 added: 1 point"},
		{name: "an uplink's group", oldnew: []string{"10.20.0.0/16", "10.30.0.0/16"}, want: "uplink occ changed: groups"},
		{name: "uplink renamed", oldnew: []string{"name: occ", "name: dispatch"}, tables: map[string]string{"virtual.csv": strings.ReplaceAll(baseTables["virtual.csv"], "uplink:occ", "uplink:dispatch")},
			want: "uplink occ removed: 4 points; uplink dispatch added: 4 points"},
		{name: "journal", oldnew: []string{"rtus:\n", "journal: {retain: 5}\nrtus:\n"}, want: "journal changed: retain 200000 → 5"},
		{name: "what stays", oldnew: []string{"id: 21, name: Test", "id: 22, name: T", "rtus:\n", "redis: {mode: embedded}\nrtus:\n", "10.0.0.2:7300", "10.0.0.2:7301", "key_file: fnp.key", "key_file: other.key", "ca: ca.pem", "ca: other.pem"},
			fixed: "station.id station.name cluster.nodes security redis fnp"},
		{name: "cluster", oldnew: []string{"security:", "  lease: 1s\n  log_store: wal\nsecurity:", "name: Test", "name: Test, time_zone: Asia/Shanghai"}, fixed: "station.time_zone cluster.log_store cluster.lease"},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := load(c.tables, c.oldnew...)
			var list []string
			for _, d := range Compare(from, to) {
				list = append(list, d.Part+" "+d.How+": "+d.Detail)
			}
			if got := strings.Join(list, "; "); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if got := strings.Join(Fixed(from, to), " "); got != c.fixed {
				t.Errorf("fixed: got %q, want %q", got, c.fixed)
			}
			if (c.want+c.fixed == "") != (from.Digest() == to.Digest()) {
				t.Error("and the digests say something else")
			}
		})
	}
	removed := load(nil)
	removed.RTUs = removed.RTUs[:1]
	if c := Compare(from, removed); len(c) != 1 || c[0].How != "removed" || c[0].RTU != 2 {
		t.Errorf("an RTU that goes: %+v", c)
	}
	removed.VirtualPoints = nil
	if c := Compare(from, removed); len(c) != 2 || !strings.Contains(c[1].Detail, "removed") {
		t.Errorf("virtual points that go: %+v", c)
	}
}
