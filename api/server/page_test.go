package server

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/fepha/fepha/fsm/fsmpb"
)

// browser opens a page in a browser without a screen.
func browser(t *testing.T, flags ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("FEPHA_REQUIRE_TOOLS") != "" {
			t.Fatal("chromium is needed")
		}
		t.Skip("no chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1280, 1000),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.WSURLReadTimeout(time.Minute))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(options, flags...)...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	console := chromedp.Console(ctx)
	var reading sync.WaitGroup
	// What a page complains about, such as a script that fails or a resource that its policy forbids, is a failure; but
	// not what the network says of a node that refuses or is gone.
	reading.Go(func() {
		for m, err := range console {
			if err != nil {
				return
			}
			if m.Source != "network" {
				t.Errorf("the page says: %v", m)
			}
		}
	})
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Errorf("closing the browser: %v", err)
		}
		cancel()
		reading.Wait()
	})
	return ctx
}

func do(t *testing.T, ctx context.Context, what string, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func get[T any](t *testing.T, ctx context.Context, what string, action chromedp.Action[T]) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return v
}

// sees waits until an element's text has a part.
func sees(t *testing.T, ctx context.Context, selector, part string) {
	t.Helper()
	within(t, selector+" to have "+part, func() bool {
		return strings.Contains(get(t, ctx, selector, chromedp.TextContent(chromedp.CSS(selector))), part)
	})
}

// screenshot keeps what a page looks like, for a person to judge, where
// FEPHA_SCREENSHOTS names a folder.
func screenshot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := os.Getenv("FEPHA_SCREENSHOTS")
	if dir == "" {
		return
	}
	image := get(t, ctx, "screenshot", chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), image, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestPage(t *testing.T) {
	ctx := browser(t)
	s := serve(t)
	n := s.node
	// All is well, but for a FEP whose link is being tried.
	n.apply("fep2", &fsmpb.Command{Op: &fsmpb.Command_Links{Links: &fsmpb.Links{Rtu: 1, Node: "fep2", Links: []*fsmpb.Links_Link{
		{Channel: 1, Link: 1, State: fsmpb.LinkState_STANDBY}, {Channel: 2, Link: 1, State: fsmpb.LinkState_STANDBY},
	}}}})
	do(t, ctx, "open", chromedp.Navigate(s.Base+"/"))
	sees(t, ctx, "#title", "Demo station (21)")
	sees(t, ctx, "#node-rows", "fep1 (this page)")
	sees(t, ctx, "#rtu-rows", "110 kV incomer")
	sees(t, ctx, "#rtu-rows", "2:1 standby")
	sees(t, ctx, "#uplink-rows", "10.10.0.5:50122 on fep1")
	sees(t, ctx, "#event-rows", "1/di/17 Incomer 101 breaker: on")
	sees(t, ctx, "#problem-list", "Offline, on no channel of either FEP: RTU 2 (Auxiliary supply)")
	sees(t, ctx, "#problem-list", "Control centre backup/b is not connected")
	screenshot(t, ctx, "light")

	// The journal is live, and filtered.
	n.emit(2, 3)
	sees(t, ctx, "#event-rows", "14")
	do(t, ctx, "filter", chromedp.SetValue(chromedp.CSS("#event-kind"), "note"),
		chromedp.Evaluate[chromedp.Void](`document.querySelector("#event-kind").dispatchEvent(new Event("change"))`))
	text := get(t, ctx, "journal", chromedp.TextContent(chromedp.CSS("#event-rows")))
	if strings.Contains(text, "breaker") || !strings.Contains(text, "owned by fep1 now") {
		t.Errorf("filtered journal:\n%s", text)
	}

	// A move is asked for, and only then done.
	const move = `//tbody[@id="rtu-rows"]//button[text()="Move to fep2"]`
	do(t, ctx, "move", chromedp.Click(move), chromedp.WaitVisible(chromedp.CSS("#ask")))
	sees(t, ctx, "#ask-title", "Move RTU 1 (110 kV incomer) to fep2?")
	screenshot(t, ctx, "ask")
	do(t, ctx, "cancel", chromedp.Click(chromedp.CSS("#ask button[value=no]")), chromedp.WaitNotVisible(chromedp.CSS("#ask")))
	if rtu, err := s.RTU(t.Context(), 1); err != nil || rtu.Phase != "owned" {
		t.Fatalf("cancelled: %+v, %v", rtu, err)
	}
	do(t, ctx, "move", chromedp.Click(move), chromedp.WaitVisible(chromedp.CSS("#ask")),
		chromedp.Click(chromedp.CSS("#ask-yes")))
	sees(t, ctx, "#done", "the station has begun")
	sees(t, ctx, "#rtu-rows", "fep1 → fep2")
	if rtu, err := s.RTU(t.Context(), 1); err != nil || rtu.Target != "fep2" {
		t.Errorf("moved: %+v, %v", rtu, err)
	}
	sees(t, ctx, "#event-rows", "rtu/1: to move from fep1 to fep2 (manual)")

	// A pin, and what the station refuses is told.
	const pin = `//tbody[@id="rtu-rows"]//tr[2]//button[text()="Pin"]`
	do(t, ctx, "pin", chromedp.Click(pin), chromedp.WaitVisible(chromedp.CSS("#ask")), chromedp.Click(chromedp.CSS("#ask-yes")))
	sees(t, ctx, "#rtu-rows", "pinned to fep2")
	sees(t, ctx, "#problem-list", "Pinned by an operator")
	n.mu.Lock()
	n.lost = true
	n.mu.Unlock()
	const unpin = `//tbody[@id="rtu-rows"]//button[text()="Unpin"]`
	do(t, ctx, "unpin", chromedp.Click(unpin), chromedp.WaitVisible(chromedp.CSS("#ask")), chromedp.Click(chromedp.CSS("#ask-yes")))
	sees(t, ctx, "#done", "not done: proposing: no leader")

	// What is wrong is told in words.
	n.mu.Lock()
	n.info.Peers[1].Alive = false
	n.info.Peers[2].ConfigDiffers = true
	n.mu.Unlock()
	n.emit(3, 150)
	sees(t, ctx, "#problem-list", "FEP fep2 is dead")
	sees(t, ctx, "#problem-list", "configuration of wit differs")
	n.mu.Lock()
	n.info.Quorum, n.info.Leader = false, ""
	for i := range n.info.Peers {
		n.info.Peers[i].Alive, n.info.Peers[i].Lease = n.info.Peers[i].ID == n.info.ID, false
	}
	n.mu.Unlock()
	sees(t, ctx, "#problem-list", "No quorum")
	sees(t, ctx, "#node-rows", "unknown")
	screenshot(t, ctx, "problems")
	do(t, ctx, "narrow", chromedp.EmulateViewport(420, 900))
	screenshot(t, ctx, "narrow")

	// A node that is gone is told too, and what is shown is called old.
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	sees(t, ctx, "#problem-list", "This node does not answer")
	if !get(t, ctx, "stale", chromedp.Evaluate[bool](`document.body.classList.contains("stale")`)) {
		t.Error("what is shown is not called old")
	}
	screenshot(t, ctx, "gone")
}

// Without a certificate the page asks for a token, again if it is wrong.
func TestPageAsksForAToken(t *testing.T) {
	ctx := browser(t, chromedp.IgnoreCertErrors, chromedp.Flag("blink-settings", "preferredColorScheme=0"))
	s := serveSecured(t)
	do(t, ctx, "open", chromedp.Navigate(s.Base+"/"), chromedp.WaitVisible(chromedp.CSS("#login")))
	screenshot(t, ctx, "login")
	enter := func(token string) {
		t.Helper()
		do(t, ctx, "token", chromedp.WaitVisible(chromedp.CSS("#login")), chromedp.SendKeys(chromedp.CSS("#token"), token+"\r"))
	}
	enter("wrong")
	enter(aliceToken)
	sees(t, ctx, "#title", "Demo station (21)")
	sees(t, ctx, "#journal-state", "live")
	screenshot(t, ctx, "dark")
}
