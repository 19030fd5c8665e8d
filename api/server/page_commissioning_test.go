package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// A check of points is begun on the page, ticks itself off as the centre acknowledges, takes a person's remark, and is compared,
// reported, ended and discarded.
func TestPageChecksPoints(t *testing.T) {
	ctx := browser(t)
	s := serve(t, withPoints, func(c *Config) {
		c.UplinkTable = func(string) ([]UplinkRow, bool) {
			return []UplinkRow{{Key: fsm.PointKey{RTU: 1, Kind: fsm.DI, Point: 17}, IOA: 1017, Type: 30}}, true
		}
	})
	asked := func() { // and answered with yes
		t.Helper()
		do(t, ctx, "yes", chromedp.WaitVisible(chromedp.CSS("#ask")), chromedp.Click(chromedp.CSS("#ask-yes")), chromedp.WaitNotVisible(chromedp.CSS("#ask")))
	}
	checker := axe(t)
	do(t, ctx, "open", chromedp.Navigate(s.Base+"/#/commissioning"))
	sees(t, ctx, "main", "not begun")
	do(t, ctx, "choose", chromedp.Click(chromedp.CSS(`[aria-label="RTU 1"]`)))
	setField(t, ctx, ".commissioning form select", "occ/main")
	do(t, ctx, "start", chromedp.Click(`//button[text()="Start the check"]`))
	asked()
	sees(t, ctx, "#outcome", "the check of RTU 1 has begun")
	sees(t, ctx, "main", "0 of 5 (0 %)")
	accessible(t, ctx, checker, "all checks")
	view(t, ctx, "commissioning?rtu=1")
	sees(t, ctx, ".list", "1/di/17")
	seq := s.node.emitPoint(t, fsmpb.Kind_DI, 17, 0)
	sees(t, ctx, ".list", "not acknowledged yet")
	s.node.acknowledge(seq)
	sees(t, ctx, ".progress", "1 of 5 (20 %)")
	sees(t, ctx, ".list", ", acknowledged")
	do(t, ctx, "tick", chromedp.Click(chromedp.CSS(`[aria-label="Right: 1/ai/3"]`)), chromedp.WaitVisible(chromedp.CSS("#ask")),
		chromedp.SetValue(chromedp.CSS("#ask [name=remark]"), "110.5 kV <at> both ends"))
	asked()
	sees(t, ctx, ".list", "110.5 kV <at> both ends (api:local")
	do(t, ctx, "wrong", chromedp.Click(chromedp.CSS(`[aria-label="Wrong: 1/do/2"]`)), chromedp.WaitVisible(chromedp.CSS("#ask")),
		chromedp.SetValue(chromedp.CSS("#ask [name=remark]"), "no contactor"))
	asked()
	sees(t, ctx, ".progress", "1 wrong")
	accessible(t, ctx, checker, "a check")
	screenshot(t, ctx, "commissioning")
	if k, err := s.Check(t.Context(), 1); err != nil || k.Done != 2 || k.Failed != 1 {
		t.Fatalf("%+v, %v", k, err)
	}

	// What is printed has all points, whatever the filter leaves.
	setField(t, ctx, "#check-state", "failed")
	reads(t, ctx, "no contactor", "both ends")
	do(t, ctx, "print", chromedp.Evaluate[chromedp.Void](`window.print = () => { window.printed = document.querySelector(".report").textContent }`),
		chromedp.Click(`//button[text()="Print"]`))
	within(t, "the printed report", func() bool {
		text := get(t, ctx, "printed", chromedp.Evaluate[string](`window.printed ?? ""`))
		return strings.Contains(text, "110.5 kV <at> both ends") && strings.Contains(text, "2 of 5 (40 %)") && strings.Contains(text, "by api:local")
	})
	do(t, ctx, "workbook", chromedp.Evaluate[chromedp.Void](`URL.createObjectURL = (blob) => { blob.arrayBuffer().then((b) => { window.saved = new Uint8Array(b) }); return "" }; HTMLAnchorElement.prototype.click = () => {}`),
		chromedp.Click(`//button[text()="Excel"]`))
	within(t, "the workbook", func() bool {
		return get(t, ctx, "saved", chromedp.Evaluate[string](`String.fromCharCode(...(window.saved ?? []).slice(0, 2))`)) == "PK"
	})

	// Both ends' lists.
	list := filepath.Join(t.TempDir(), "centre.csv")
	if err := os.WriteFile(list, []byte("ioa,name\n1017,Incomer 101 breaker\n5,\"<script>alert(1)</script>\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	view(t, ctx, "commissioning")
	do(t, ctx, "list", chromedp.WaitVisible(chromedp.CSS("#centre-list")), chromedp.SetUploadFiles(chromedp.CSS("#centre-list"), []string{list}), chromedp.Click(chromedp.CSS("#compare")))
	sees(t, ctx, "#compared", "1 points here, 2 in the list: 1 are the same, 1 differ")
	sees(t, ctx, ".compare", "<script>alert(1)</script>")

	view(t, ctx, "commissioning?rtu=1")
	for _, button := range []string{"End", "Discard"} {
		do(t, ctx, button, chromedp.Click(`//button[text()="`+button+`"]`))
		asked()
	}
	sees(t, ctx, "#outcome", "is gone")
	if list, err := s.Checks(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
}

// Whoever may only read sees the progress, and can change nothing of it.
func TestPageShowsAViewerTheCheck(t *testing.T) {
	ctx := browser(t, chromedp.IgnoreCertErrors)
	s := serveSecured(t, withPoints)
	s.node.user(t, "u-viewer", fsm.Viewer)
	s.node.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_CheckStart{CheckStart: &fsmpb.CheckStart{
		Rtu: 1, Resource: "uplink/occ/main", Origin: "alice", Points: []*fsmpb.CheckStart_Point{{Kind: fsmpb.Kind_DI, Point: 17, Forwarded: true}},
	}}})
	do(t, ctx, "open", chromedp.Navigate(s.Base+"/#/commissioning?rtu=1"), chromedp.WaitVisible(chromedp.CSS("#login")),
		chromedp.SetValue(chromedp.CSS("#login [name=name]"), "u-viewer"), chromedp.SetValue(chromedp.CSS("#login [name=password]"), "u-viewer's password"),
		chromedp.Click(`//dialog[@id="login"]//button[@type="submit"]`))
	sees(t, ctx, ".list", "1/di/17")
	sees(t, ctx, "main", "by alice")
	names := get(t, ctx, "buttons", chromedp.Evaluate[string](`[...document.querySelectorAll("main button")].map((b) => b.textContent).join()`))
	if names != "Excel,Print" {
		t.Errorf("a viewer is offered %s", names)
	}
	view(t, ctx, "commissioning")
	sees(t, ctx, "main", "0 of 1")
	if n := get(t, ctx, "fields", chromedp.Evaluate[int](`document.querySelectorAll("main button, main input").length`)); n != 0 {
		t.Errorf("a viewer is offered %d things to press", n)
	}
}
