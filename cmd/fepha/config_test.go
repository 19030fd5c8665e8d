package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/cmd/fepha/internal/configcmd"
	"github.com/fepha/fepha/configs"
)

// A wrong configuration ends the node with exit code 2 and a message that says
// where and what was expected. What else can be wrong is tested in configs.
func TestWrongConfigIsRefused(t *testing.T) {
	for _, tc := range []struct {
		name, file, old, new string
		want                 []string
	}{
		{"unknown key", "station.yaml", "log_store: boltdb", "log_stone: boltdb", []string{"station.yaml:", "log_stone"}},
		{"duplicate IOA", "rtu1.csv", "di,2,2,", "di,2,1,", []string{"rtu1.csv:3", "1"}},
		{"missing CSV", "station.yaml", "points: rtu2.csv", "points: rtu9.csv", []string{"station.yaml:", "rtu9.csv"}},
		{"port used twice", "station.yaml", "127.0.0.1:24141", "127.0.0.1:7301", []string{"station.yaml:", "7301"}},
		{"two nodes with one address", "station.yaml", "127.0.0.1:7302", "127.0.0.1:7301", []string{"station.yaml:", "7301"}},
		{"insecure beyond loopback", "station.yaml", "127.0.0.1:7303", "10.0.0.3:7303", []string{"station.yaml:", "10.0.0.3"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := exampleStation(t)
			path := filepath.Join(dir, tc.file)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(b), tc.old) {
				t.Fatalf("%s has no %q", tc.file, tc.old)
			}
			if err := os.WriteFile(path, []byte(strings.Replace(string(b), tc.old, tc.new, 1)), 0o644); err != nil {
				t.Fatal(err)
			}
			_, stderr := fepha(t, cli.ExitConfig, "node", "--config", filepath.Join(dir, "station.yaml"), "--id", "fep1", "--data-dir", filepath.Join(dir, "data"))
			for _, want := range append(tc.want, "expected") {
				if !strings.Contains(stderr, want) {
					t.Errorf("message has no %q:\n%s", want, stderr)
				}
			}
		})
	}
}

// exampleStation copies the example on loopback into a folder of the test's own.
func exampleStation(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(dir, configs.Examples); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "examples")
}

func TestConfigCheck(t *testing.T) {
	path := filepath.Join(exampleStation(t), "station.yaml")
	station, err := configs.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"config", "check", path}, {"config", "check", "--config", path}} {
		if out, _ := fepha(t, cli.ExitDone, args...); !strings.Contains(out, station.Digest()) || !strings.Contains(out, "2 RTUs") {
			t.Errorf("%q prints %q", args, out)
		}
	}
	var report configcmd.CheckReport
	out, _ := fepha(t, cli.ExitDone, "config", "check", "--json", path)
	if err := json.Unmarshal([]byte(out), &report); err != nil || !report.OK || report.Digest != station.Digest() {
		t.Errorf("--json: %v: %s", err, out)
	}

	if len(report.Warnings) != 0 {
		t.Errorf("the example has warnings: %+v", report.Warnings)
	}
	fepha(t, cli.ExitDone, "config", "check", "--strict", path)
	occ, table := filepath.Join(filepath.Dir(path), "occ.csv"), ""
	if b, err := os.ReadFile(occ); err != nil {
		t.Fatal(err)
	} else if table = strings.Replace(string(b), "25601,1,counter,1,M_IT_TB_1,", "25601,1,counter,1,M_IT_TB_1,\n25602,1,ai,4,M_ME_NB_1,", 1); table == string(b) {
		t.Fatal("occ.csv has no counter 1")
	}
	rtu1 := filepath.Join(filepath.Dir(path), "rtu1.csv")
	points, err := os.ReadFile(rtu1)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(occ, []byte(table), 0o644), os.WriteFile(rtu1, append(points, "ai,4,16388,M_ME_NA_1,,,,,,,,,,\n"...), 0o644)); err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(table, "25602,")
	line := strings.Count(before, "\n") + 1
	if out, _ := fepha(t, cli.ExitDone, "config", "check", path); !strings.Contains(out, fmt.Sprintf("occ.csv:%d:14: type: M_ME_NB_1", line)) {
		t.Errorf("no warning in:\n%s", out)
	}
	report = configcmd.CheckReport{}
	out, stderr := fepha(t, cli.ExitFailed, "config", "check", "--strict", "--json", path)
	if err := json.Unmarshal([]byte(out), &report); err != nil || !report.OK || report.WarningsTotal != 1 || report.Warnings[0].Line != line || !strings.Contains(stderr, "1 warning") {
		t.Errorf("--strict --json: %v: %s %s", err, out, stderr)
	}

	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	missing := strings.Replace(string(text), "redis: {mode: embedded}", "redis: {mode: embedded, password_file: none}", 1)
	if err := os.WriteFile(path, []byte(missing), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, stderr = fepha(t, cli.ExitUsage, "config", "check", path); !strings.Contains(stderr, `redis.password_file: "none" is not there`) {
		t.Errorf("a file that is missing: %s", stderr)
	}
	fepha(t, cli.ExitDone, "config", "check", "--no-files", path)
	wrong := strings.NewReplacer("log_store:", "log_stone:", "points: rtu2.csv", "points: rtu9.csv").Replace(string(text))
	if err := os.WriteFile(path, []byte(wrong), 0o644); err != nil {
		t.Fatal(err)
	}
	_, stderr = fepha(t, cli.ExitUsage, "config", "check", path)
	for _, want := range []string{"log_stone", "rtu9.csv", "station.yaml:9:"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in:\n%s", want, stderr)
		}
	}
	report = configcmd.CheckReport{}
	out, _ = fepha(t, cli.ExitUsage, "config", "check", "--json", path)
	if err := json.Unmarshal([]byte(out), &report); err != nil || report.OK || report.Total != 2 || len(report.Errors) != 2 ||
		report.Errors[0].Line != 9 || report.Errors[0].Expected == "" {
		t.Errorf("--json: %v: %s", err, out)
	}
}

// What is shown is a configuration: the same one.
func TestConfigShow(t *testing.T) {
	dir := exampleStation(t)
	path := filepath.Join(dir, "station.yaml")
	station, err := configs.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	out, _ := fepha(t, cli.ExitDone, "config", "show", path)
	if !strings.Contains(out, "t1: 15s") {
		t.Errorf("a default is missing:\n%s", out)
	}
	if err := os.WriteFile(path, []byte(out), 0o644); err != nil {
		t.Fatal(err)
	}
	shown, err := configs.Load(path)
	if err != nil || shown.Digest() != station.Digest() {
		t.Errorf("what is shown is another configuration: %v", err)
	}
	out, _ = fepha(t, cli.ExitDone, "config", "show", "--json", path)
	var v struct{ Station struct{ ID int } }
	if err := json.Unmarshal([]byte(out), &v); err != nil || v.Station.ID != 21 {
		t.Errorf("--json: %v: %s", err, out)
	}
}

func TestConfigImport(t *testing.T) {
	dir := exampleStation(t)
	station, table := filepath.Join(dir, "station.yaml"), filepath.Join(dir, "virtual.csv")
	before, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	workbook := func(source string) string {
		book := excelize.NewFile()
		defer book.Close()
		for _, err := range []error{
			book.SetSheetName("Sheet1", "virtual"),
			book.SetSheetRow("virtual", "A1", &[]string{"rtu", "point", "name", "source"}),
			book.SetSheetRow("virtual", "A2", &[]any{900, 1, "Device 1", source}),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(t.TempDir(), "points.xlsx")
		if err := book.SaveAs(path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	unchanged := func() {
		t.Helper()
		if now, err := os.ReadFile(table); err != nil || string(now) != string(before) {
			t.Fatalf("the table was written: %v\n%s", err, now)
		}
	}

	_, stderr := fepha(t, cli.ExitUsage, "config", "import", workbook("rtu:99"), "--config", station)
	if !strings.Contains(stderr, "nothing was written") {
		t.Errorf("a wrong source: %s", stderr)
	}
	unchanged()
	fepha(t, cli.ExitUsage, "config", "import", "site.db", "--config", station)                                // no mapping
	fepha(t, cli.ExitUsage, "config", "import", filepath.Join(dir, "none.xlsx"), "--config", station)          // no such file
	fepha(t, cli.ExitUsage, "config", "import", workbook("rtu:1"), "--mapping", "m.yaml", "--config", station) // no database

	// The uplink forwards virtual points that the workbook doesn't have.
	occ := filepath.Join(dir, "occ.csv")
	if err := os.WriteFile(occ, []byte("ioa,rtu,kind,point,type,name\n1,900,di,1,M_SP_TB_1,\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, _ := fepha(t, cli.ExitDone, "config", "import", workbook("rtu:1"), "--config", station, "--dry-run", "--json")
	var plan struct{ Tables []configcmd.TablePlan }
	if err := json.Unmarshal([]byte(out), &plan); err != nil || len(plan.Tables) != 1 || plan.Tables[0].File != "virtual.csv" || len(plan.Tables[0].Changed) != 1 || plan.Tables[0].Added == nil {
		t.Errorf("--dry-run --json: %v: %s", err, out)
	}
	unchanged()
	if out, _ = fepha(t, cli.ExitDone, "config", "import", workbook("rtu:1"), "--config", station); !strings.Contains(out, fmt.Sprintf("1 changed, %d removed", strings.Count(string(before), "\n")-2)) || !strings.Contains(out, "written") {
		t.Errorf("import prints %q", out)
	}
	after, err := configs.Load(station)
	if err != nil || len(after.VirtualPoints) != 1 || after.VirtualPoints[0].Name != "Device 1" {
		t.Errorf("after the import: %v", err)
	}
}
