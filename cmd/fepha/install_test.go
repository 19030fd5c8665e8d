package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/internal/nodebundle"
)

// initFlags are those of a whole station.
func initFlags(dir string, more ...string) []string {
	return append([]string{
		"station", "init", dir, "--number=21", "--name=North \"1\"", "--time-zone=Asia/Shanghai", "--fep1=10.91.2.66", "--fep2=10.91.2.67", "--witness=10.91.2.68",
	}, more...)
}

func TestStationInit(t *testing.T) {
	for name, more := range map[string][]string{
		"nothing else": nil,
		"an RTU and a control centre": {
			"--rtu=192.168.1.1:2404,192.168.2.1:2404", "--centre=10.10.0.0/16,10.20.0.1",
		},
		"IPv6": {"--fep1=fd00::1", "--fep2=fd00::2", "--witness=fd00::3", "--rtu=[fd00::9]:2404", "--centre=fd01::/64"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "new", "north")
			out, _ := fepha(t, cli.ExitDone, initFlags(dir, more...)...)
			station, err := configs.Load(filepath.Join(dir, "station.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			if station.ID != 21 || station.Name != `North "1"` || station.TimeZone != "Asia/Shanghai" || station.Warnings.Total > 0 {
				t.Errorf("%+v, %v", station, station.Warnings)
			}
			fepha(t, cli.ExitDone, "config", "check", "--strict", "--no-files", filepath.Join(dir, "station.yaml"))
			token, err := os.ReadFile(filepath.Join(dir, "first-admin.token"))
			if err != nil || strings.Contains(out, strings.TrimSpace(string(token))) {
				t.Errorf("the token is printed: %v\n%s", err, out)
			}
			for _, id := range []string{"fep1", "fep2", "wit"} {
				packed, err := os.ReadFile(filepath.Join(dir, id+".tar.zst"))
				if err != nil {
					t.Fatal(err)
				}
				b, err := nodebundle.Decode(packed)
				if err != nil || b.Node != id || b.Station != 21 {
					t.Fatalf("%s: %+v, %v", id, b, err)
				}
				for name, content := range b.Files {
					if bytes.Contains(content, bytes.TrimSpace(token)) || strings.Contains(name, "ca-key") {
						t.Errorf("%s of the bundle of %s has what no node is to have", name, id)
					}
				}
			}
			for name, mode := range map[string]fs.FileMode{
				"": 0o700, "tls/ca-key.pem": 0o600, "tls/fep1/node-key.pem": 0o600, "fep1.tar.zst": 0o600, "first-admin.token": 0o600, "first-admin.json": 0o600,
			} {
				if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != mode {
					t.Errorf("%s: %v, %v, want mode %v", name, info.Mode(), err, mode)
				}
			}

			// Nothing of an existing one is touched.
			before, _ := os.ReadFile(filepath.Join(dir, "tls/ca-key.pem"))
			if _, stderr := fepha(t, cli.ExitUsage, initFlags(dir)...); !strings.Contains(stderr, "expected a folder that is empty") {
				t.Errorf("again: %s", stderr)
			}
			if after, _ := os.ReadFile(filepath.Join(dir, "tls/ca-key.pem")); !bytes.Equal(before, after) {
				t.Error("the CA's key is another one")
			}
		})
	}
}

func TestStationInitRefuses(t *testing.T) {
	for name, c := range map[string]struct{ flag, say string }{
		"a number of 0":            {"--number=0", "1 to 65535"},
		"a large number":           {"--number=65536", "1 to 65535"},
		"no number":                {"--number=", "1 to 65535"},
		"no such zone":             {"--time-zone=Asia/Peking", "IANA"},
		"the zone of whoever":      {"--time-zone=Local", "IANA"},
		"an address with a port":   {"--fep1=10.91.2.66:7300", "without a port"},
		"loopback":                 {"--fep1=127.0.0.1", "fepha dev"},
		"two with one address":     {"--fep1=10.91.2.67", "three different"},
		"a device without a port":  {"--rtu=192.168.1.1", "such as 192.168.1.1:2404"},
		"a device twice":           {"--rtu=192.168.1.1:2404,192.168.1.1:2404", "twice"},
		"a network that is no one": {"--centre=10.10.1.0/16", "begins at 10.10.0.0/16"},
		"a long name":              {"--name=" + strings.Repeat("x", 65), "1 to 64"},
		"a name with a line end":   {"--name=a\nb", "1 to 64"},
		"a token without time":     {"--token-valid=0s", "--token-valid"},
	} {
		dir := filepath.Join(t.TempDir(), "x")
		if _, stderr := fepha(t, cli.ExitUsage, initFlags(dir, c.flag)...); !strings.Contains(stderr, c.say) {
			t.Errorf("%s: %s", name, stderr)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s: something was written", name)
		}
	}
	if _, stderr := fepha(t, cli.ExitUsage, "station", "init", "--number=21"); !strings.Contains(stderr, "expected --fep1, --fep2, --witness, or a terminal") {
		t.Errorf("without a terminal: %s", stderr)
	}
}

// On a terminal what is missing is asked for, and asked again while the answer is wrong.
func TestStationInitAsks(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals here: ", err)
	}
	defer master.Close()
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	for _, line := range []string{"", "0", "21", "North", "Nowhere/City", "UTC", "10.91.2.66", "10.91.2.66", "10.91.2.67", "10.91.2.68", "192.168.1.1", "192.168.1.1:2404", ""} {
		if _, err := master.WriteString(line + "\n"); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(t.TempDir(), "north")
	var out, asked bytes.Buffer
	if code := run(t.Context(), []string{"station", "init", dir}, terminal, &out, &asked); code != cli.ExitDone {
		t.Fatalf("exit code %d\n%s%s", code, &out, &asked)
	}
	station, err := configs.Load(filepath.Join(dir, "station.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if station.ID != 21 || station.Name != "North" || station.TimeZone != "UTC" || len(station.RTUs) != 1 || len(station.Uplinks) != 0 {
		t.Errorf("%+v", station)
	}
	for _, want := range []string{"Name of the station [Station 21]", "expected a whole number", "IANA", "another machine has 10.91.2.66", "such as 192.168.1.1:2404"} {
		if !strings.Contains(asked.String(), want) {
			t.Errorf("%q isn't said:\n%s", want, &asked)
		}
	}
}

func TestNodeInstall(t *testing.T) {
	dir, root := filepath.Join(t.TempDir(), "north"), t.TempDir()
	fepha(t, cli.ExitDone, initFlags(dir, "--rtu=192.168.1.1:2404")...)
	bundle := func(id string) string { return filepath.Join(dir, id+".tar.zst") }
	at := func(name string) string { return filepath.Join(root, name) }
	out, _ := fepha(t, cli.ExitDone, "node", "install", bundle("fep1"), "--root", root)
	for _, want := range []string{"node fep1 of station 21", "systemctl enable --now fepha@fep1"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q isn't said:\n%s", want, out)
		}
	}
	for name, mode := range map[string]fs.FileMode{
		"etc": 0o755, "etc/fepha": 0o770, "etc/fepha/tls": 0o750, "etc/fepha/station.yaml": 0o644, "etc/fepha/rtu1.csv": 0o644, "etc/fepha/tls/node-key.pem": 0o640,
		"etc/fepha/tls/ca.pem": 0o644, "var/lib/fepha/fep1": 0o750, "var/lib/fepha/fep1/first-admin.json": 0o600,
	} {
		if info, err := os.Stat(at(name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v, want mode %v", name, info, err, mode)
		}
	}
	fepha(t, cli.ExitDone, "config", "check", "--strict", at("etc/fepha/station.yaml"))

	// Again, after the node has run, and somebody has changed the configuration: the data stays, and what differs is kept.
	for name, content := range map[string]string{"var/lib/fepha/fep1/raft.db": "data", "etc/fepha/rtu1.csv": "changed"} {
		if err := os.WriteFile(at(name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(at("var/lib/fepha/fep1/first-admin.json")); err != nil {
		t.Fatal(err)
	}
	if out, _ = fepha(t, cli.ExitDone, "node", "install", bundle("fep1"), "--root", root); !strings.Contains(out, "stays") || !strings.Contains(out, "before-install") {
		t.Errorf("again:\n%s", out)
	}
	for name, want := range map[string]string{"var/lib/fepha/fep1/raft.db": "data", "etc/fepha/before-install/rtu1.csv": "changed"} {
		if got, err := os.ReadFile(at(name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := os.Stat(at("var/lib/fepha/fep1/first-admin.json")); err == nil {
		t.Error("the first admin's token is offered again")
	}
	fepha(t, cli.ExitDone, "config", "check", "--strict", at("etc/fepha/station.yaml"))

	// Another node, another station.
	if _, stderr := fepha(t, cli.ExitUsage, "node", "install", bundle("fep2"), "--root", root); !strings.Contains(stderr, "this machine is node fep1") {
		t.Errorf("another node: %s", stderr)
	}
	if err := os.RemoveAll(at("etc/fepha/tls")); err != nil {
		t.Fatal(err)
	}
	if _, stderr := fepha(t, cli.ExitUsage, "node", "install", bundle("fep2"), "--root", root); !strings.Contains(stderr, "has data of node fep1") {
		t.Errorf("another node's data: %s", stderr)
	}
	other := filepath.Join(t.TempDir(), "south")
	fepha(t, cli.ExitDone, initFlags(other, "--number=22")...)
	if _, stderr := fepha(t, cli.ExitUsage, "node", "install", filepath.Join(other, "fep1.tar.zst"), "--root", root); !strings.Contains(stderr, "belongs to station 21") {
		t.Errorf("another station: %s", stderr)
	}

	// Made anew after the configuration was edited.
	text, err := os.ReadFile(filepath.Join(dir, "station.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "station.yaml"), bytes.ReplaceAll(text, []byte("10.91.2.66"), []byte("10.91.2.70")), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, _ = fepha(t, cli.ExitDone, "station", "bundle", "fep1", "--dir", dir); !strings.Contains(out, "fep1.tar.zst") || strings.Contains(out, "fep2") {
		t.Errorf("bundle: %s", out)
	}
	fepha(t, cli.ExitDone, "node", "install", bundle("fep1"), "--root", root)
	if got, err := os.ReadFile(at("etc/fepha/station.yaml")); err != nil || !bytes.Contains(got, []byte("10.91.2.70")) {
		t.Errorf("the edited configuration isn't there: %v", err)
	}
	fepha(t, cli.ExitDone, "config", "check", "--strict", at("etc/fepha/station.yaml")) // the certificate has the address too
	fepha(t, cli.ExitUsage, "station", "bundle", "fep9", "--dir", dir)
	fepha(t, cli.ExitUsage, "station", "bundle", "--dir", t.TempDir())
}

// A bundle that isn't right changes nothing on the machine.
func TestNodeInstallRefuses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "north")
	fepha(t, cli.ExitDone, initFlags(dir, "--rtu=192.168.1.1:2404")...)
	packed, err := os.ReadFile(filepath.Join(dir, "fep1.tar.zst"))
	if err != nil {
		t.Fatal(err)
	}
	others, err := os.ReadFile(filepath.Join(dir, "tls/fep2/node.pem"))
	if err != nil {
		t.Fatal(err)
	}
	stranger := filepath.Join(t.TempDir(), "other")
	fepha(t, cli.ExitDone, initFlags(stranger)...)
	strangers, err := os.ReadFile(filepath.Join(stranger, "tls/ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		edit func(b *nodebundle.Bundle)
		say  string
	}{
		"a wrong configuration":     {func(b *nodebundle.Bundle) { b.Files["etc/station.yaml"] = []byte("station: {id: x}") }, "station.yaml:1"},
		"a table is missing":        {func(b *nodebundle.Bundle) { delete(b.Files, "etc/rtu1.csv") }, "rtu1.csv"},
		"another node's":            {func(b *nodebundle.Bundle) { b.Node = "fep2" }, "is that of \"fep1\""},
		"no node's":                 {func(b *nodebundle.Bundle) { b.Node = "fep9" }, "for node \"fep9\""},
		"another station's":         {func(b *nodebundle.Bundle) { b.Station = 9 }, "of station 9"},
		"another certificate":       {func(b *nodebundle.Bundle) { b.Files["etc/tls/node.pem"] = others }, "is that of \"fep2\""},
		"no key":                    {func(b *nodebundle.Bundle) { delete(b.Files, "etc/tls/node-key.pem") }, "node-key.pem"},
		"another CA":                {func(b *nodebundle.Bundle) { b.Files["etc/tls/ca.pem"] = strangers }, "not signed by"},
		"a token that is no token":  {func(b *nodebundle.Bundle) { b.Files["data/first-admin.json"] = []byte("{}") }, "first-admin.json"},
		"nothing but a damaged one": {nil, "no bundle of a node"},
	} {
		t.Run(name, func(t *testing.T) {
			data := packed[:len(packed)/2]
			if c.edit != nil {
				b, err := nodebundle.Decode(packed)
				if err != nil {
					t.Fatal(err)
				}
				c.edit(b)
				if data, err = b.Encode(); err != nil {
					t.Fatal(err)
				}
			}
			root, file := t.TempDir(), filepath.Join(t.TempDir(), "fep1.tar.zst")
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, stderr := fepha(t, cli.ExitUsage, "node", "install", file, "--root", root); !strings.Contains(stderr, c.say) || !strings.Contains(stderr, "nothing was touched") {
				t.Errorf("%s", stderr)
			}
			if left, err := os.ReadDir(root); err != nil || len(left) > 0 {
				t.Errorf("left on the machine: %v, %v", left, err)
			}
		})
	}
	fepha(t, cli.ExitUsage, "node", "install", filepath.Join(dir, "none.tar.zst"), "--root", t.TempDir())
	fepha(t, cli.ExitUsage, "node", "install")
}
