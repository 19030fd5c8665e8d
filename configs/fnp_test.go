package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoadFNPStation(t *testing.T) {
	dir := t.TempDir()
	load := func(text string) (*FNPStation, error) {
		path := filepath.Join(dir, "station.yaml")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return LoadFNPStation(path)
	}
	s, err := load(`
id: 1001
name: pump
listen: "10.0.0.1:0"
advertise: "10.0.0.1:7401"
centres: ["10.91.2.66:7400", "10.91.2.67:7400"]
multicast: "239.1.2.3:7409"
interface: eth1
key_file: fnp.key
copy_file: /var/lib/fnp/pump.copy
`)
	if err != nil {
		t.Fatal(err)
	}
	if s.ID != 1001 || s.Name != "pump" || s.Listen.Port() != 0 || s.Advertise.Port() != 7401 || len(s.Centres) != 2 || s.Multicast.Port() != 7409 ||
		s.Interface != "eth1" || s.KeyFile.Path != filepath.Join(dir, "fnp.key") || s.CopyFile.Path != "/var/lib/fnp/pump.copy" || s.Insecure {
		t.Errorf("%+v", s)
	}
	for text, want := range map[string]string{
		"": "1:1: id: is missing: expected a value\n" +
			"1:1: listen: is missing: expected a value\n" +
			"1:1: centres: is missing, and so is multicast: expected the addresses of the centre's nodes, or the group that it multicasts to\n" +
			"1:1: key_file: is missing: expected a file with the network's key, or insecure: true",
		"id: 1\nlisten: \"127.0.0.1:0\"\ncentres: [x]\ninsecure: true\nlevel: 1": "3:11: centres[0]: \"x\" is not an address with a port: expected one such as 10.91.2.66:7400 or [fd00::66]:7400\n" +
			"5:1: level: unknown key: expected one of id, listen, multicast, interface, key_file, insecure, copy_file, name, advertise, centres",
		"id: 1\nlisten: \"127.0.0.1:0\"\ncentres: [\"10.0.0.1:7400\"]\ninsecure: true": "3:11: centres[0]: 10.0.0.1 is not a loopback address: expected 127.0.0.0/8 or ::1 while insecure is true",
		"id: 1\nlisten: \"10.0.0.1:7409\"\nmulticast: \"239.1.2.3:7409\"\nkey_file: k\ninsecure: true": "2:9: listen: port 7409 is the multicast group's too: expected another port\n" +
			"2:9: listen: 10.0.0.1 is not a loopback address: expected 127.0.0.0/8 or ::1 while insecure is true\n" +
			"5:11: insecure: stands beside key_file: expected one of the two",
	} {
		_, err := load(text)
		if err == nil {
			t.Errorf("%q: loaded", text)
			continue
		}
		got := ""
		for i, e := range err.(*Errors).List {
			if e.File = ""; i > 0 {
				got += "\n"
			}
			got += strings.TrimPrefix(e.Error(), ":")
		}
		if got != want {
			t.Errorf("%q: got\n%s\nwant\n%s", text, got, want)
		}
	}
	if _, err := LoadFNPStation(filepath.Join(dir, "none.yaml")); err == nil {
		t.Error("a file that is not there was loaded")
	}
}
