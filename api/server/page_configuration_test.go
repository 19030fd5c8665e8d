package server

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// tableConfigurator takes any configuration whose table has no point 0.
type tableConfigurator struct {
	fakeConfigurator
	got map[string]string // the files that it was asked about last
}

func (f *tableConfigurator) Apply(_ context.Context, bundle []byte, dryRun bool, _ string) (r api.ConfigReply, err error) {
	f.got = map[string]string{}
	zip, err := gzip.NewReader(bytes.NewReader(bundle))
	if err != nil {
		return r, err
	}
	for archive := tar.NewReader(zip); ; {
		h, err := archive.Next()
		if err != nil {
			break
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			return r, err
		}
		f.got[h.Name] = string(text)
	}
	if strings.Contains(f.got["tables/rtu1.csv"], "di,0") {
		return r, &api.Error{Status: 400, Code: api.CodeInvalid, Message: "1 error", Problems: []api.Problem{
			{File: "tables/rtu1.csv", Line: 2, Column: 4, Key: "point", Problem: "0 is out of range", Expected: "1 to 65535"}}}
	}
	warning := api.Problem{File: "tables/rtu1.csv", Line: 2, Column: 1, Problem: "di/9 is in no uplink", Expected: "a row in one"}
	return api.ConfigReply{Digest: "abc", Applied: !dryRun, Behind: []string{}, Away: []string{"wit"}, WarningsAt: []api.Problem{warning}, WarningsTotal: 1,
		Changes: []api.ConfigChange{{What: "RTU 1", How: "changed", Detail: "2 points added", Drops: []string{"link 1:1 on fep1 (active)"}}}}, nil
}

// putFiles puts a configuration with files in force.
func (n *fakeNode) putFiles(t *testing.T, digest, by string, files map[string]string) {
	t.Helper()
	var octets bytes.Buffer
	zip := gzip.NewWriter(&octets)
	archive := tar.NewWriter(zip)
	for _, name := range []string{"station.yaml", "tables/rtu1.csv"} {
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), Format: tar.FormatPAX}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(archive, files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	var stage uint64
	n.View(func(s *fsm.State) { stage = s.ConfigStage() })
	n.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_ConfigStage{ConfigStage: &fsmpb.ConfigStage{Expect: stage}}})
	n.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_ConfigPart{ConfigPart: &fsmpb.ConfigPart{Stage: stage + 1, Octets: octets.Bytes()}}})
	declared := proto.CloneOf(stationConfig)
	sum := sha256.Sum256(octets.Bytes())
	declared.Digest, declared.Origin, declared.Stage, declared.Files, declared.Changes = digest, by, stage+1, sum[:], []string{"RTU 1 changed: 1 point added"}
	if r := n.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: declared}}); r.Code != fsmpb.Result_OK {
		t.Fatalf("%+v", r)
	}
}

// An engineer reads what is in force, sees what is wrong with another configuration at its line, what it would change, puts it in
// force, and goes back to an earlier one.
func TestPageChangesTheConfiguration(t *testing.T) {
	ctx := browser(t)
	f := new(tableConfigurator)
	s := serve(t, func(c *Config) { c.Configurator = f })
	s.node.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_FeatureLevel{FeatureLevel: &fsmpb.FeatureLevel{Level: fsm.Level}}})
	station := "station: {id: 21}\nrtus:\n  - {number: 1, points: tables/rtu1.csv}\n"
	s.node.putFiles(t, "first", "user alice", map[string]string{"station.yaml": station, "tables/rtu1.csv": "kind,point\ndi,1\n"})
	s.node.putFiles(t, "second", "user bob", map[string]string{"station.yaml": station, "tables/rtu1.csv": "kind,point\ndi,1\ndi,2\n"})
	checker := axe(t)

	do(t, ctx, "open", chromedp.Navigate(s.Base+"/#/configuration"))
	sees(t, ctx, "#section-station", "Demo station")
	sees(t, ctx, "#section-rtus", "7 · Pump")
	sees(t, ctx, "#section-exports", "Not used")
	accessible(t, ctx, checker, "settings")
	screenshot(t, ctx, "configuration-settings")
	view(t, ctx, "configuration?show=files&file=tables/rtu1.csv")
	sees(t, ctx, ".files .list", "di,2")
	accessible(t, ctx, checker, "files")

	upload := func(name, text string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		do(t, ctx, name, chromedp.SetUploadFiles(chromedp.CSS("#config-upload"), []string{path}))
	}
	view(t, ctx, "configuration?show=change")
	upload("rtu1.csv", "kind,point\ndi,0\n")
	sees(t, ctx, "#config-problems", "tables/rtu1.csv:2:4 point: 0 is out of range: expected 1 to 65535")
	sees(t, ctx, ".code.wrong", "di,0")
	if f.got["station.yaml"] != station {
		t.Errorf("what was not chosen is not what is in force: %q", f.got)
	}
	if n := get(t, ctx, "apply", chromedp.Evaluate[int](`document.querySelectorAll("#config-apply:not(:disabled)").length`)); n != 0 {
		t.Error("what is wrong can be put in force")
	}
	accessible(t, ctx, checker, "problems")
	screenshot(t, ctx, "configuration-problems")

	upload("rtu1.csv", "kind,point\ndi,9\n")
	for _, part := range []string{"RTU 1 changed: 2 points added", "loses its connection: link 1:1 on fep1 (active)", "di/9 is in no uplink", "Away, and to take it on when back: wit"} {
		sees(t, ctx, "#config-outcome", part)
	}
	do(t, ctx, "in Chinese", chromedp.Click(chromedp.CSS("#language")))
	sees(t, ctx, "#config-outcome", "更改 RTU 1：新增 2 个点")
	sees(t, ctx, "#config-outcome", "将断开：fep1 的链路 1:1（主用）")
	do(t, ctx, "in English", chromedp.Click(chromedp.CSS("#language")))
	accessible(t, ctx, checker, "what would change")
	screenshot(t, ctx, "configuration-change")
	do(t, ctx, "apply", chromedp.Click(chromedp.CSS("#config-apply")), chromedp.WaitVisible(chromedp.CSS("#ask")))
	sees(t, ctx, "#ask", "link 1:1 on fep1 (active)")
	do(t, ctx, "yes", chromedp.Click(chromedp.CSS("#ask-yes")))
	sees(t, ctx, "#outcome", "Done: Put in force")

	view(t, ctx, "configuration?show=history")
	sees(t, ctx, "#config-versions", "user alice")
	accessible(t, ctx, checker, "history")
	screenshot(t, ctx, "configuration-history")
	do(t, ctx, "back", chromedp.Click(`//button[text()="Back to 1"]`))
	sees(t, ctx, "#candidate", "Version 1, as it was in force")
	sees(t, ctx, "#config-outcome", "RTU 1 changed")
	if f.got["tables/rtu1.csv"] != "kind,point\ndi,1\n" {
		t.Errorf("version 1 was sent as %q", f.got)
	}
}
