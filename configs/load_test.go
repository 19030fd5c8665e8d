package configs

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/internal/redismode"
)

// base is a right station that the tests damage.
const base = `station: {id: 21, name: Test}
cluster:
  nodes:
    - {id: fep1, host: 1, role: fep, address: "10.0.0.1:7300", api: "10.0.0.1:7310"}
    - {id: fep2, host: 2, role: fep, address: "10.0.0.2:7300", api: "10.0.0.2:7310"}
    - {id: wit, host: 3, role: witness, address: "10.0.0.3:7300", api: "10.0.0.3:7310"}
security: {ca: ca.pem, cert: node.pem, key: node.key}
rtus:
  - number: 1
    common_address: 1
    points: rtu1.csv
    channels:
      - {address: "10.1.0.1:2404"}
      - {address: "10.1.1.1:2404:M3"}
  - number: 2
    common_address: 2
    points: rtu2.csv
    channels: [{address: "10.1.2.1:2404"}]
uplinks:
  - name: occ
    common_address: 100
    points: occ.csv
    listen: {fep1: "10.0.0.1:2404", fep2: "10.0.0.2:2404"}
    groups: [{name: a, clients: [10.10.0.0/16]}, {name: b, clients: [10.20.0.0/16]}]
    role_ioa: 60001
virtual_points: virtual.csv
fnp: {listen: {fep1: "10.0.0.1:7400", fep2: "10.0.0.2:7400", wit: "10.0.0.3:7400"}, key_file: fnp.key}
`

var baseTables = map[string]string{
	"rtu1.csv": `kind,point,ioa,type,name,deadband,scale,offset,unit,invert,category
di,1,1,M_SP_TB_1,Breaker,,,,,,
ai,1,101,,Voltage,0.5%,0.1,,kV,,
do,1,201,45,Breaker,,,,,,DO
`,
	"rtu2.csv": `kind,point,ioa,type,name,deadband,scale,offset,unit,invert,category
di,1,1,,Charger,,,,,,
`,
	"occ.csv": `ioa,rtu,kind,point,type,name
1,1,di,1,M_SP_TB_1,
2,900,di,1,M_SP_TB_1,Up
101,1,ai,1,M_ME_NC_1,
201,1,do,1,C_SC_NA_1,
`,
	"virtual.csv": `rtu,point,name,source
900,1,Up,rtu:1
`,
}

// station builds the base with replacements ("old", "new", ...): in the table whose name an old text begins with
// ("rtu1.csv|old"), otherwise in station.yaml.
func station(t *testing.T, replace ...string) fs.FS {
	t.Helper()
	files := maps.Clone(baseTables)
	files["station.yaml"] = base
	for i := 0; i < len(replace); i += 2 {
		file, old := "station.yaml", replace[i]
		if before, after, ok := strings.Cut(old, "|"); ok {
			file, old = before, after
		}
		if !strings.Contains(files[file], old) {
			t.Fatalf("%s has no %q", file, old)
		}
		files[file] = strings.Replace(files[file], old, replace[i+1], 1)
	}
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

func mustLoad(t *testing.T, fsys fs.FS, name string) *Station {
	t.Helper()
	s, err := LoadFS(fsys, name)
	if err != nil {
		t.Fatalf("%s:\n%v", name, err)
	}
	return s
}

func TestLoadFillsInDefaults(t *testing.T) {
	s := mustLoad(t, station(t), "station.yaml")
	if s.TimeZone != "UTC" || s.Location != time.UTC || s.Cluster.Lease != 500*time.Millisecond ||
		s.Cluster.LogStore != LogStoreBolt || s.Redis.Mode != redismode.Off || s.Journal.Retain != 200_000 || s.FNP.Level != 1 {
		t.Errorf("station: %+v", s)
	}
	r, _ := s.RTU(1)
	want := IEC104{12, 8, 10 * time.Second, 15 * time.Second, 10 * time.Second, 20 * time.Second, 2, 2, 3}
	if r.IEC104 != want || r.Prefer != "fep1" || r.Name != "RTU 1" || r.Retry != 5*time.Second ||
		r.StandbyProbe != ProbeConnect || r.Interrogation != 15*time.Minute || r.CounterInterrogation != time.Hour ||
		r.ClockSync != time.Hour || r.Channels[0].Mode != LinksOneActive {
		t.Errorf("RTU: %+v", r)
	}
	u, _ := s.Uplink("occ")
	if u.Mode != fsm.MainStandby || u.Controls || u.SetClock || u.IEC104 != want {
		t.Errorf("uplink: %+v", u)
	}
	if n, ok := s.Node("wit"); !ok || n.Role != RoleWitness || n.Host != 3 {
		t.Errorf("node: %+v, %t", n, ok)
	}
	if _, ok := s.Node("fep3"); ok {
		t.Error("there is no fep3")
	}
}

func TestLoadExpandsLinks(t *testing.T) {
	s := mustLoad(t, station(t), "station.yaml")
	var got []string
	for _, link := range s.RTUs[0].Channels[1].Links {
		got = append(got, link.Address.String())
	}
	if want := "10.1.1.1:2404 10.1.1.2:2404 10.1.1.3:2404 10.1.1.4:2404"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestLoadReadsPoints(t *testing.T) {
	s := mustLoad(t, station(t), "station.yaml")
	points := s.RTUs[0].Points
	if len(points) != 3 {
		t.Fatalf("points: %+v", points)
	}
	if p := points[0]; p.Kind != fsm.DI || p.Type != 30 || !p.Event || p.Analog != nil || p.Name != "Breaker" {
		t.Errorf("di: %+v", p)
	}
	if p := points[1]; p.Type != 0 || p.Event || p.Scaling().Scale != 0.1 || p.Scaling().Deadband != 0.5 || !p.Scaling().Percent || p.Scaling().Unit != "kV" {
		t.Errorf("ai: %+v %+v", p, p.Scaling())
	}
	if p := points[2]; p.Type != 45 || p.Category != CategoryDO || p.Event {
		t.Errorf("do: %+v", p)
	}
	up := s.Uplinks[0].Points
	if len(up) != 4 || up[0].Name != "Breaker" || up[1].Name != "Up" || up[1].RTU != 900 || up[3].Kind != fsm.DO || up[3].Type != 45 {
		t.Errorf("uplink: %+v", up)
	}
	if v := s.VirtualPoints; len(v) != 1 || v[0].Source != (Source{Kind: SourceRTU, RTU: 1}) {
		t.Errorf("virtual: %+v", v)
	}
}

func TestLoadResolvesFiles(t *testing.T) {
	dir := t.TempDir()
	fsys := station(t, "cert: node.pem", "cert: /etc/node.pem")
	if err := os.CopyFS(dir, fsys); err != nil {
		t.Fatal(err)
	}
	s, err := Load(filepath.Join(dir, "station.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if s.Security.CA != (File{"ca.pem", filepath.Join(dir, "ca.pem")}) || s.Security.Cert != (File{"/etc/node.pem", "/etc/node.pem"}) {
		t.Errorf("security: %+v", s.Security)
	}
	if got := strings.Join(s.Files, " "); got != "station.yaml rtu1.csv rtu2.csv virtual.csv occ.csv" {
		t.Errorf("files: %s", got)
	}
}

func TestLoadGivesPathsAsTheyWereGiven(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, station(t, "rtu1.csv|di,1,1", "di,1,x", "id: 21", "id: 0")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(dir))
	file := filepath.Join(filepath.Base(dir), "station.yaml")
	_, err := Load(file)
	want := file + ":1:15: station.id: 0 is out of range: expected 1 to 65535\n" +
		filepath.Join(filepath.Base(dir), "rtu1.csv") + `:2:6: ioa: "x" is not a whole number: expected 1 to 16777215`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	_, err = Load("nowhere.yaml")
	if err == nil || err.Error() != "nowhere.yaml: no such file: expected a station's configuration" {
		t.Errorf("got %v", err)
	}
}

func TestExamplesLoad(t *testing.T) {
	for _, name := range []string{"examples/station.yaml", "examples/secured/station.yaml"} {
		s := mustLoad(t, Examples, name)
		for _, u := range s.Uplinks {
			for _, p := range u.Points {
				if p.Name == "" {
					t.Errorf("%s: point without a name: %+v", name, p)
				}
			}
		}
	}
}

// wantErrors compares the whole text of what's wrong.
func wantErrors(t *testing.T, fsys fs.FS, want string) {
	t.Helper()
	_, err := LoadFS(fsys, "station.yaml")
	var errs *Errors
	switch {
	case err == nil:
		t.Fatalf("accepted; want\n%s", want)
	case !errors.As(err, &errs):
		t.Fatalf("%T: %v", err, err)
	case err.Error() != want:
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// RTUs that name the same addresses are behind one connection.
func TestLoadSharesLinks(t *testing.T) {
	s := mustLoad(t, station(t, `[{address: "10.1.2.1:2404"}]`, sharedChannels), "station.yaml")
	for _, r := range s.RTUs {
		if want := []uint32{1, 2}; !slices.Equal(r.Sharing, want) {
			t.Errorf("RTU %d shares with %v, want %v", r.Number, r.Sharing, want)
		}
	}
	if r := mustLoad(t, station(t), "station.yaml").RTUs[0]; r.Sharing != nil {
		t.Errorf("RTU 1, alone, shares with %v", r.Sharing)
	}
}
