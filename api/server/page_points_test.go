package server

import (
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// withPoints has the fake station know what its tables have.
func withPoints(c *Config) {
	c.Table = func(rtu uint32) []fsm.PointKey {
		return []fsm.PointKey{{RTU: rtu, Kind: fsm.DI, Point: 17}, {RTU: rtu, Kind: fsm.DI, Point: 99}, {RTU: rtu, Kind: fsm.AI, Point: 3}}
	}
	c.Controls = func(rtu uint32) []fsm.PointKey {
		return []fsm.PointKey{{RTU: rtu, Kind: fsm.DO, Point: 2}, {RTU: rtu, Kind: fsm.AO, Point: 5}}
	}
	c.Addresses = func(k fsm.PointKey) []api.UplinkAddress {
		return []api.UplinkAddress{{Uplink: "occ", CommonAddress: 100, IOA: 1000 + k.Point, Type: 30}}
	}
}

// A point is given a value by hand and blocked from the page, and what the device says comes back.
func TestPageOverridesAPoint(t *testing.T) {
	ctx := browser(t)
	s := serve(t, withPoints)
	point := func() api.Point {
		t.Helper()
		p, err := s.Point(t.Context(), 1, "di", 17)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	act := func(button string, fill ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		actions := append([]chromedp.Action[chromedp.Void]{chromedp.Click(`//aside[@id="history"]//button[starts-with(.,"` + button + `")]`), chromedp.WaitVisible(chromedp.CSS("#ask"))}, fill...)
		do(t, ctx, button, append(actions, chromedp.Click(chromedp.CSS("#ask-yes")), chromedp.WaitNotVisible(chromedp.CSS("#ask")))...)
	}
	reason := chromedp.SetValue(chromedp.CSS("#ask [name=reason]"), "contact broken <b>")
	do(t, ctx, "open", chromedp.Navigate(s.Base+"/#/points?rtu=1&show=1/di/17"))
	sees(t, ctx, "#history", "occ:100:1017")
	sees(t, ctx, ".list", "nothing yet") // of the point that the device has not told of
	// The form isn't sent without a reason.
	do(t, ctx, "no reason", chromedp.Click(`//aside[@id="history"]//button[starts-with(text(),"Block")]`), chromedp.WaitVisible(chromedp.CSS("#ask")), chromedp.Click(chromedp.CSS("#ask-yes")))
	do(t, ctx, "cancel", chromedp.Click(`//dialog[@id="ask"]//button[text()="Cancel"]`), chromedp.WaitNotVisible(chromedp.CSS("#ask")))
	if o := point().Override; o != nil {
		t.Fatalf("without a reason: %+v", o)
	}

	act("Substitute", reason, chromedp.SetValue(chromedp.CSS("#ask [name=value]"), "off"))
	sees(t, ctx, "#outcome", "has the value given by hand")
	sees(t, ctx, "#override", "given by hand by api:local")
	sees(t, ctx, "#override", "contact broken <b> · the device says on")
	if p := point(); p.ValueText != "off" || p.Override == nil || p.Override.Reason != "contact broken <b>" {
		t.Fatalf("substituted: %+v", p)
	}
	screenshot(t, ctx, "override")
	act("Release")
	sees(t, ctx, "#outcome", "shows what the device says")
	within(t, "the override to be gone", func() bool { return textOf(ctx, "#override") == "" })
	act("Block", reason)
	sees(t, ctx, "#override", "blocked by api:local")
	if p := point(); p.ValueText != "on" || p.Override.Mode != api.Blocked {
		t.Fatalf("blocked: %+v", p)
	}
}

// A device is operated from the page: selected, confirmed, executed; and what it refuses is told.
func TestPageOperates(t *testing.T) {
	ctx := browser(t)
	s := serve(t, withPoints)
	wg := s.node.device(func(c *fsmpb.ControlSubmit) (bool, string) {
		if c.Point == 5 {
			return false, "refused by the device"
		}
		return true, ""
	})
	defer wg.Wait()
	do(t, ctx, "open", chromedp.Navigate(s.Base+"/#/points?rtu=1&kind=control"))
	sees(t, ctx, ".list", "1/do/2")
	operate := `//div[@class="operable"][span[text()="1/do/2"]]//button`
	do(t, ctx, "operate", chromedp.Click(operate), chromedp.WaitVisible(chromedp.CSS("#operate")))
	setField(t, ctx, "#operate-value", "off")
	do(t, ctx, "select", chromedp.Click(chromedp.CSS("#select")))
	sees(t, ctx, "#operate", "Selected: 1/do/2 Incomer 101 breaker → off. Execute within")
	screenshot(t, ctx, "operate")
	do(t, ctx, "execute", chromedp.Click(chromedp.CSS("#execute")))
	sees(t, ctx, "#operate-result", "Done: the device has confirmed")
	list, err := s.Controls(t.Context(), 1, 10)
	if err != nil || len(list) != 2 || list[0].Phase != "select" || list[1].Phase != "execute" || list[1].State != "off" || !list[1].OK {
		t.Fatalf("%+v, %v", list, err)
	}
	// A selection that is left is cancelled.
	do(t, ctx, "select again", chromedp.Click(chromedp.CSS("#select")))
	sees(t, ctx, "#operate", "Execute within")
	do(t, ctx, "close", chromedp.Click(`//dialog[@id="operate"]//button[text()="Close"]`))
	within(t, "the selection to be cancelled", func() bool {
		list, err := s.Controls(t.Context(), 1, 10)
		return err == nil && list[len(list)-1].Phase == "cancel"
	})
	do(t, ctx, "operate an ao", chromedp.Click(`//div[@class="operable"][span[text()="1/ao/5"]]//button`), chromedp.WaitVisible(chromedp.CSS("#operate")))
	setField(t, ctx, "#operate-value", "11.5")
	do(t, ctx, "select", chromedp.Click(chromedp.CSS("#select")))
	sees(t, ctx, "#operate-result", "Not done: refused by the device")
}

// Whoever may only read is offered neither.
func TestPageOffersAViewerNothingAtPoints(t *testing.T) {
	ctx := browser(t, chromedp.IgnoreCertErrors)
	s := serveSecured(t, withPoints)
	s.node.user(t, "u-viewer", fsm.Viewer)
	do(t, ctx, "open", chromedp.Navigate(s.Base+"/#/points?rtu=1&show=1/di/17"), chromedp.WaitVisible(chromedp.CSS("#login")),
		chromedp.SetValue(chromedp.CSS("#login [name=name]"), "u-viewer"), chromedp.SetValue(chromedp.CSS("#login [name=password]"), "u-viewer's password"),
		chromedp.Click(`//dialog[@id="login"]//button[@type="submit"]`))
	sees(t, ctx, "#who", "u-viewer")
	sees(t, ctx, "#history", "occ:100:1017")
	if n := get(t, ctx, "buttons", chromedp.Evaluate[int](`document.querySelectorAll("#history .buttons button").length`)); n != 0 {
		t.Errorf("a viewer is offered %d buttons at a point", n)
	}
	view(t, ctx, "points?rtu=1&kind=control")
	sees(t, ctx, ".list", "1/do/2")
	if n := get(t, ctx, "buttons", chromedp.Evaluate[int](`document.querySelectorAll(".operable button").length`)); n != 0 {
		t.Errorf("a viewer is offered %d controls", n)
	}
}
