package server

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// chinese are 64 octets, as much as fits into a name: 21 characters and a digit.
const chinese = "三号线人民广场站降压变电所一段进线断路器柜7"

// Names of the length that there can be, with markup in them, or that turn text around, are shown as what they are, on a screen
// and on a phone.
func TestPageShowsLongNames(t *testing.T) {
	ctx := browser(t)
	const markup, turned = `<img src=x onerror=alert(1)>`, "abc\u202efed\u200f"
	if len(chinese) != 64 {
		t.Fatalf("%d octets", len(chinese))
	}
	describe := func(k fsm.PointKey) (PointInfo, bool) {
		return PointInfo{Name: map[uint32]string{17: chinese, 99: turned, 3: markup}[k.Point], Unit: "kV", Type: 36}, true
	}
	s := serve(t, withPoints, func(c *Config) { c.Name, c.Describe = chinese, describe })
	station := proto.CloneOf(stationConfig)
	station.Digest, station.Rtus[0].Name, station.Rtus[1].Name = "names", chinese, markup
	s.node.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: station}})
	checker := axe(t)
	do(t, ctx, "open", chromedp.Navigate(s.Base+"/"))
	for _, width := range []int64{1280, 390} {
		do(t, ctx, "size", chromedp.EmulateViewport(width, 800))
		for _, v := range []struct{ name, selector, want string }{
			{"station", "#rtu-1", chinese}, {"station", "#rtu-2", markup}, {"station", "header", chinese},
			{"points?rtu=1", ".list", chinese}, {"points?rtu=1", ".list", markup}, {"points?rtu=1", ".list", `abc\u202efed\u200f`},
			{"commissioning", "main", chinese}, {"events", ".list", chinese}, {"points?show=1/di/17", "#history", "1/di/17"},
		} {
			view(t, ctx, v.name)
			sees(t, ctx, v.selector, v.want)
			if w := get(t, ctx, "width", chromedp.Evaluate[int64](`document.documentElement.scrollWidth`)); w > width {
				t.Errorf("%s is %d pixels wide on %d", v.name, w, width)
			}
			accessible(t, ctx, checker, v.name)
		}
	}
	if n := get(t, ctx, "pictures", chromedp.Evaluate[int](`document.querySelectorAll("main img").length`)); n != 0 {
		t.Error("a name has become markup")
	}
	if text := textOf(ctx, "body"); strings.ContainsAny(text, "\u202e\u200f") {
		t.Error("a name turns text around")
	}
}

// A viewer finds no button that can't work: none is there, in any view.
func TestPageHasNothingForViewersToPress(t *testing.T) {
	ctx := browser(t, chromedp.IgnoreCertErrors)
	s := serveSecured(t, withPoints, cheap, func(c *Config) { c.Configurator = new(tableConfigurator) })
	s.node.user(t, "u-viewer", fsm.Viewer)
	s.node.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_FeatureLevel{FeatureLevel: &fsmpb.FeatureLevel{Level: fsm.Level}}})
	for _, digest := range []string{"first", "second"} {
		s.node.putFiles(t, digest, "user alice", map[string]string{"station.yaml": "station: {id: 21}\n", "tables/rtu1.csv": "kind\n"})
	}
	do(t, ctx, "open", chromedp.Navigate(s.Base+"/"), chromedp.WaitVisible(chromedp.CSS("#login")), chromedp.SetValue(chromedp.CSS("#login [name=name]"), "u-viewer"),
		chromedp.SetValue(chromedp.CSS("#login [name=password]"), "u-viewer's password"), chromedp.Click(`//dialog[@id="login"]//button[@type="submit"]`))
	sees(t, ctx, "#who", "u-viewer")
	if n := get(t, ctx, "frames", chromedp.Evaluate[int](`document.querySelectorAll("nav [href='#/frames']").length`)); n != 0 {
		t.Error("a viewer is shown the way to the frames")
	}
	for _, v := range []struct{ name, selector, want string }{
		{"station", "#rtu-1", "110 kV incomer"}, {"commissioning", "main", "not begun"}, {"nodes", "#who-sees", "fep2"}, {"points?show=1/di/17", "#history", "1/di/17"},
		{"configuration", "#config-versions", "user alice"}, {"configuration?show=change", "#config-versions", "user alice"}, {"takeovers", "main", "rtu/1"}, {"exports", "main", "no exports"}, {"fnp", "main", "no FNP"},
	} {
		view(t, ctx, v.name)
		sees(t, ctx, v.selector, v.want)
		// What sorts, filters, closes and saves is for everybody.
		found := get(t, ctx, v.name, chromedp.Evaluate[string](`[...document.querySelectorAll("main button:not(.sort, .plain), main input[type=file]")].map((b) => b.textContent || b.type).join()`))
		for text := range strings.SplitSeq(found, ",") {
			if text != "" && text != "×" && text != "Clear the filter" && text != "CSV" && text != "Excel" {
				t.Errorf("%s has %q for a viewer", v.name, text)
			}
		}
	}
	// Nothing that it asked for was refused.
	if failed := get(t, ctx, "failed requests", chromedp.Evaluate[string](`performance.getEntriesByType("resource").filter((e) => e.responseStatus >= 400 && !/v1.fnp/.test(e.name) && e.responseStatus !== 401).map((e) => e.name + " " + e.responseStatus).join()`)); failed != "" {
		t.Errorf("failed requests: %s", failed)
	}
}
