package nodebundle

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

func TestBundle(t *testing.T) {
	b := &Bundle{Header{Station: 21, Name: "North", Node: "fep1"}, map[string][]byte{
		"etc/station.yaml": []byte("station: {}"), "etc/tables/rtu1.csv": nil, "etc/tls/node-key.pem": []byte("key"), "data/first-admin.json": []byte("{}"),
	}}
	packed, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(packed)
	if err != nil {
		t.Fatal(err)
	}
	if got.Node != "fep1" || got.Station != 21 || !slices.Equal(slices.Sorted(maps.Keys(got.Files)), slices.Sorted(maps.Keys(b.Files))) || string(got.Files["etc/tls/node-key.pem"]) != "key" {
		t.Errorf("%+v", got)
	}
	for name, mode := range map[string]fs.FileMode{"etc/station.yaml": 0o644, "etc/tls/node-key.pem": 0o600, "data/first-admin.json": 0o600, "etc/tls/ca.pem": 0o644} {
		if Mode(name) != mode {
			t.Errorf("%s: %v", name, Mode(name))
		}
	}
	if _, err := (&Bundle{Files: map[string][]byte{"../x": nil}}).Encode(); !errors.Is(err, ErrBundle) {
		t.Errorf("a name elsewhere is packed: %v", err)
	}
}

type entry struct {
	name string
	data string
	kind byte
}

func packed(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	zip, err := zstd.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	archive := tar.NewWriter(zip)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Size: int64(len(e.data)), Mode: 0o644, Typeflag: tar.TypeReg}
		if e.kind != 0 {
			h.Typeflag, h.Linkname, h.Size, e.data = e.kind, "/etc/shadow", 0, ""
		}
		if err := archive.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(e.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestDecodeRefuses(t *testing.T) {
	header := entry{name: "bundle.json", data: `{"format":1,"station":21,"node":"fep1"}`}
	station := entry{name: "etc/station.yaml", data: "x"}
	if _, err := Decode(packed(t, header, station)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data []byte
		say  string
	}{
		"nothing":                  {nil, "it has no etc"},
		"no zstd":                  {[]byte("PK\x03\x04 something else"), ""},
		"no header":                {packed(t, station), "it begins with"},
		"a header that's none":     {packed(t, entry{name: "bundle.json", data: "fep1"}, station), "it begins with"},
		"a newer format":           {packed(t, entry{name: "bundle.json", data: `{"format":2}`}, station), "install the version that made it"},
		"no configuration":         {packed(t, header), "it has no etc/station.yaml"},
		"a name above":             {packed(t, header, station, entry{name: "etc/../../x.csv"}), "expected the name of a file"},
		"an absolute name":         {packed(t, header, station, entry{name: "/etc/x.csv"}), "expected etc/"},
		"another folder":           {packed(t, header, station, entry{name: "usr/x.csv"}), "expected etc/"},
		"another file":             {packed(t, header, station, entry{name: "etc/cron.d/x"}), "expected station.yaml"},
		"a key elsewhere":          {packed(t, header, station, entry{name: "etc/x.pem"}), "expected station.yaml"},
		"another file of the data": {packed(t, header, station, entry{name: "data/raft.db"}), "expected etc/"},
		"a backslash":              {packed(t, header, station, entry{name: `etc/..\x.csv`}), "expected the name"},
		"a control character":      {packed(t, header, station, entry{name: "etc/\x1b[2J.csv"}), "expected the name"},
		"a long name":              {packed(t, header, station, entry{name: "etc/" + strings.Repeat("x", 200) + ".csv"}), "expected the name"},
		"a symbolic link":          {packed(t, header, station, entry{name: "etc/x.csv", kind: tar.TypeSymlink}), "no regular file"},
		"a folder":                 {packed(t, header, station, entry{name: "etc/x.csv", kind: tar.TypeDir}), "no regular file"},
		"a file twice":             {packed(t, header, station, station), "twice"},
		"packed a thousand times":  {packed(t, header, station, entry{name: "etc/x.csv", data: strings.Repeat("\x00", 20<<20)}), "octets unpacked from"},
		"a part":                   {packed(t, header, station)[:60], ""},
	} {
		if b, err := Decode(c.data); !errors.Is(err, ErrBundle) || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v, %v", name, b, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	b := &Bundle{Header{Node: "fep1"}, map[string][]byte{"etc/station.yaml": []byte("x")}}
	packed, err := b.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := Decode(data)
		if err != nil {
			return
		}
		for name := range b.Files {
			if checkName(name) != nil {
				t.Errorf("%q was taken", name)
			}
		}
	})
}

func TestFirstAdmin(t *testing.T) {
	f := FirstAdmin{sha256.Sum256([]byte("token")), time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)}
	text, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ReadFirstAdmin(text); err != nil || got != f {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "{}", `{"sha256":"00","expires":"2027-01-02T03:04:05Z"}`, `{"sha256":"` + strings.Repeat("0", 64) + `"}`, `{"sha256":"` + strings.Repeat("x", 64) + `","expires":"2027-01-02T03:04:05Z"}`} {
		if _, err := ReadFirstAdmin([]byte(bad)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
