package server

import (
	"testing"

	"github.com/chromedp/chromedp"
	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// An export is shown with which FEP reaches its target, waits and goes on.
func TestPageShowsExports(t *testing.T) {
	ctx := browser(t)
	s := serve(t, func(c *Config) {
		c.Exports = map[string]ExportInfo{"history": {Kind: "postgres", Target: "10.1.1.1:5432"}}
	})
	station := proto.CloneOf(stationConfig)
	station.Digest, station.Exports = "with an export", []*fsmpb.Configure_Export{{Name: "history", Events: true}}
	s.node.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: station}})
	s.node.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{Resource: "export/history", Owner: "fep1"}}})
	s.node.apply("fep2", &fsmpb.Command{Op: &fsmpb.Command_ExportReach{ExportReach: &fsmpb.ExportReach{Resource: "export/history", Node: "fep2", Reason: "connection refused"}}})
	do(t, ctx, "open", chromedp.Navigate(s.Base+"/#/exports"))
	sees(t, ctx, "#export-history", "postgres 10.1.1.1:5432")
	sees(t, ctx, "#export-history", "connection refused")
	sees(t, ctx, "#export-history", "running")
	accessible(t, ctx, axe(t), "exports")
	paused := func() (paused bool) {
		s.node.View(func(state *fsm.State) {
			e, _ := state.Export("export/history")
			paused = e.Paused
		})
		return paused
	}
	for _, button := range []string{"Pause", "Go on"} {
		do(t, ctx, button, chromedp.Click(`//tr[@id="export-history"]//button[text()="`+button+`"]`), chromedp.WaitVisible(chromedp.CSS("#ask")),
			chromedp.Click(chromedp.CSS("#ask-yes")), chromedp.WaitNotVisible(chromedp.CSS("#ask")))
		want := button == "Pause"
		within(t, button, func() bool { return paused() == want })
		sees(t, ctx, "#export-history", map[bool]string{true: "paused", false: "running"}[want])
	}
	screenshot(t, ctx, "exports")
}
