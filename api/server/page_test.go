package server

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/internal/testneeds"
	"github.com/fepha/fepha/replica"
)

// browser opens a page in a browser without a screen.
func browser(t *testing.T, flags ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	path := testneeds.Program(t, "chromium")
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

// textOf is an element's text; "" if it isn't there, or the page is being left.
func textOf(ctx context.Context, selector string) string {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.querySelector(`+strconv.Quote(selector)+`)?.textContent ?? ""`))
	if err != nil {
		return ""
	}
	return text
}

// sees waits until an element's text has a part.
func sees(t *testing.T, ctx context.Context, selector, part string) {
	t.Helper()
	within(t, selector+" to have "+strconv.Quote(part), func() bool {
		text := textOf(ctx, selector)
		return text != "" && strings.Contains(text, part)
	})
}

// The page tells of every condition in the API's own words, and what to do.
func TestPageShowsEveryCondition(t *testing.T) {
	ctx := browser(t)
	s, _ := everyCondition(t)
	list, err := s.Conditions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	do(t, ctx, "open", chromedp.Navigate(s.Base+"/#/conditions"))
	for _, c := range list.Conditions {
		sees(t, ctx, "main", c.Text)
		sees(t, ctx, "main", c.Advice)
	}
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

// view goes to a view of the page.
func view(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	do(t, ctx, name, chromedp.Evaluate[chromedp.Void]("location.hash = "+strconv.Quote("#/"+name)))
	name, _, _ = strings.Cut(name, "?")
	sees(t, ctx, `nav [aria-current=page][href="#/`+name+`"]`, "")
}

// setField sets a field as a person does.
func setField(t *testing.T, ctx context.Context, selector, value string) {
	t.Helper()
	do(t, ctx, selector, chromedp.SetValue(chromedp.CSS(selector), value), chromedp.Evaluate[chromedp.Void](
		`for (const e of ["input", "change"]) document.querySelector(`+strconv.Quote(selector)+`).dispatchEvent(new Event(e, {bubbles: true}))`))
}

// reads waits until the list shows a row with one part and none with another.
func reads(t *testing.T, ctx context.Context, part, not string) {
	t.Helper()
	within(t, "the list to have "+part+" and not "+not, func() bool {
		text := textOf(ctx, ".list")
		return strings.Contains(text, part) && !strings.Contains(text, not)
	})
}

// axe is the accessibility checker of the page's own packages, which `npm ci` in web brings; "" if it isn't there.
func axe(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile("../../web/node_modules/axe-core/axe.min.js")
	if err != nil && os.Getenv("FEPHA_REQUIRE_TOOLS") != "" {
		t.Fatalf("run npm ci in web: %v", err)
	}
	return string(source)
}

// accessible checks what is shown against the rules of WCAG that a program can check.
func accessible(t *testing.T, ctx context.Context, source, what string) {
	t.Helper()
	if source == "" {
		return
	}
	findings := get(t, ctx, what, chromedp.Evaluate[string](source+`;
		axe.run(document, {resultTypes: ["violations"]}).then((r) => r.violations.map((v) => v.id + ": " + v.nodes[0].html).join("\n"))`, chromedp.EvalAwaitPromise))
	if findings != "" {
		t.Errorf("%s isn't accessible to all:\n%s", what, findings)
	}
}

const (
	moveButton  = `//article[@id="rtu-1"]//button[text()="Move to fep2"]`
	pinButton   = `//article[@id="rtu-2"]//button[text()="Pin"]`
	unpinButton = `//article[@id="rtu-2"]//button[text()="Unpin"]`
)

func TestPageShowsTheStation(t *testing.T) {
	ctx := browser(t)
	s := serve(t)
	n := s.node
	do(t, ctx, "open", chromedp.Navigate(s.Base+"/"))
	sees(t, ctx, "header", "Demo station (21)")
	sees(t, ctx, "#eyes", "seen through fep1")
	sees(t, ctx, "#node-fep1", "leader")
	sees(t, ctx, "#rtu-1", "110 kV incomer")
	sees(t, ctx, "#rtu-1", "connecting")
	sees(t, ctx, "#rtu-2", "OFFLINE")
	sees(t, ctx, "#uplink-occ-main", "10.10.0.5:50122 on fep1 (main)")
	sees(t, ctx, "#uplink-backup-b", "no client is connected")
	sees(t, ctx, ".newest", "1/di/17 Incomer 101 breaker: on")
	if n := get(t, ctx, "live paths", chromedp.Evaluate[int](`document.querySelectorAll(".line.live").length`)); n != 2 {
		t.Errorf("%d live paths are drawn, want RTU 1 to fep1 and fep1 to occ", n)
	}
	screenshot(t, ctx, "station")

	// A move is asked for, and only then done.
	do(t, ctx, "move", chromedp.Click(moveButton), chromedp.WaitVisible(chromedp.CSS("#ask")))
	sees(t, ctx, "#ask-title", "Move RTU 1 (110 kV incomer) to fep2?")
	do(t, ctx, "cancel", chromedp.Click(`//dialog[@id="ask"]//button[text()="Cancel"]`), chromedp.WaitNotVisible(chromedp.CSS("#ask")))
	if rtu, err := s.RTU(t.Context(), 1); err != nil || rtu.Phase != "owned" {
		t.Fatalf("cancelled: %+v, %v", rtu, err)
	}
	do(t, ctx, "move", chromedp.Click(moveButton), chromedp.WaitVisible(chromedp.CSS("#ask")), chromedp.Click(chromedp.CSS("#ask-yes")))
	sees(t, ctx, "#outcome", "Done: RTU 1 (110 kV incomer): moving to fep2")
	sees(t, ctx, "#rtu-1", "moving to fep2")
	if rtu, err := s.RTU(t.Context(), 1); err != nil || rtu.Target != "fep2" {
		t.Errorf("moved: %+v, %v", rtu, err)
	}

	// A pin, and what the station refuses is told.
	do(t, ctx, "pin", chromedp.Click(pinButton), chromedp.WaitVisible(chromedp.CSS("#ask")), chromedp.Click(chromedp.CSS("#ask-yes")))
	sees(t, ctx, "#rtu-2", "pinned to fep2")
	n.lose()
	do(t, ctx, "unpin", chromedp.Click(unpinButton), chromedp.WaitVisible(chromedp.CSS("#ask")), chromedp.Click(chromedp.CSS("#ask-yes")))
	sees(t, ctx, "#outcome", "Not done: proposing: no leader")

	// Without a quorum nothing is shown as good, and nothing can be asked for.
	n.EditInfo(func(info *replica.Info) {
		info.Quorum, info.Leader = false, ""
		for i := range info.Peers {
			info.Peers[i].Alive, info.Peers[i].Lease = info.Peers[i].ID == info.ID, false
		}
	})
	sees(t, ctx, "#banner", "No quorum")
	if n := get(t, ctx, "good marks", chromedp.Evaluate[int](`document.querySelectorAll("main .card .mark.good, main .card.good").length`)); n != 0 {
		t.Errorf("%d things are shown as good without a quorum", n)
	}
	if n := get(t, ctx, "buttons", chromedp.Evaluate[int](`document.querySelectorAll("main button:not(:disabled)").length`)); n != 0 {
		t.Errorf("%d buttons can be pressed without a quorum", n)
	}
	screenshot(t, ctx, "quorum")

	// A node that is gone is told too, and what is shown is called old.
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	sees(t, ctx, "#banner", "what is shown is old")
	screenshot(t, ctx, "gone")
}

// A page whose node is gone goes to another one, and stays where it was.
func TestPageGoesToAnotherNode(t *testing.T) {
	ctx := browser(t)
	second := serve(t, func(c *Config) { c.Node.(*fakeNode).EditInfo(func(i *replica.Info) { i.ID = "fep2" }) })
	first := serve(t, func(c *Config) { c.APIs["fep2"] = strings.TrimPrefix(second.Base, "http://") })
	do(t, ctx, "open", chromedp.Navigate(first.Base+"/#/events?kind=owner"))
	sees(t, ctx, "#eyes", "seen through fep1")
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	sees(t, ctx, "#eyes", "seen through fep2")
	reads(t, ctx, "rtu/1: owned by fep1 now", "breaker")
	if at := get(t, ctx, "address", chromedp.Evaluate[string](`location.href`)); at != second.Base+"/#/events?kind=owner" {
		t.Errorf("the page is at %s", at)
	}
}

// What others have named is shown with what would turn it around written out.
func TestPageShowsOddNamesPlainly(t *testing.T) {
	ctx := browser(t)
	s := serve(t, func(c *Config) { c.Name = "Demo\u202enoitats\u2066\u200b" })
	do(t, ctx, "open", chromedp.Navigate(s.Base+"/"))
	sees(t, ctx, "header", `Demo\u202enoitats\u2066\u200b (21)`)
}

func TestPageShowsTheJournal(t *testing.T) {
	ctx := browser(t)
	s := serve(t)
	s.node.emit(2, 1000)
	do(t, ctx, "open", chromedp.Navigate(s.Base+"/#/events"))
	sees(t, ctx, "#kept", "events are kept")
	newest, err := s.NewestEvents(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	reads(t, ctx, strconv.FormatUint(newest.Last, 10), "owned by fep1")
	s.node.emit(3, 1)
	reads(t, ctx, strconv.FormatUint(newest.Last+1, 10), "owned by fep1")

	// To the very first one.
	do(t, ctx, "scroll", chromedp.Evaluate[chromedp.Void](`setInterval(() => { document.querySelector(".rows").scrollTop = 1e9 }, 50)`))
	reads(t, ctx, "rtu/1: owned by fep1 now", strconv.FormatUint(newest.Last, 10))
	do(t, ctx, "open again", chromedp.Reload())

	// A filter stands in the address, and what is new goes through it.
	setField(t, ctx, "#event-kind", "owner")
	reads(t, ctx, "rtu/1: owned by fep1 now", "breaker")
	if hash := get(t, ctx, "address", chromedp.Evaluate[string](`location.hash`)); hash != "#/events?kind=owner" {
		t.Errorf("address %s", hash)
	}
	s.node.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{Resource: "rtu/2", ExpectEpoch: 1, Owner: "fep1", Reason: "manual"}}})
	s.node.emit(4, 1)
	reads(t, ctx, "rtu/2: owned by fep1 now", "breaker")
	do(t, ctx, "open again", chromedp.Navigate(s.Base+"/#/events?text=BREAKER&rtu=1"))
	reads(t, ctx, "Incomer 101 breaker", "owned by")
	setField(t, ctx, "#event-text", "nothing of this kind")
	sees(t, ctx, "#kept", "Nothing matches")
}

// Every view has its data, in both languages and at both sizes, without a complaint of the browser.
func TestPageViews(t *testing.T) {
	ctx := browser(t)
	s := serve(t, withPoints)
	s.node.emit(2, 50)
	s.node.EditInfo(func(i *replica.Info) {
		i.Peers[1].Digest = "0123456789abcdef"
		i.Peers[1].Vitals = &replica.Vitals{Memory: 48 << 20, CPU: 12, Fsync: time.Millisecond, DiskFree: 3 << 30, DiskSize: 4 << 30, Reaches: []string{"fep1"}, Misses: []string{"wit"}}
	})
	do(t, ctx, "open", chromedp.Navigate(s.Base+"/"))
	sees(t, ctx, "#rtu-1", "110 kV incomer")
	within(t, "the first paint to be on record", func() bool {
		return get(t, ctx, "first paint", chromedp.Evaluate[int](`performance.getEntriesByName("first-contentful-paint").length`)) > 0
	})
	t.Logf("first paint after %d ms", get(t, ctx, "first paint", chromedp.Evaluate[int](`Math.round(performance.getEntriesByName("first-contentful-paint")[0].startTime)`)))
	checker := axe(t)
	for _, size := range []struct {
		name          string
		width, height int64
	}{{"room", 1280, 720}, {"phone", 390, 844}} {
		do(t, ctx, size.name, chromedp.EmulateViewport(size.width, size.height))
		for _, language := range []string{"en", "zh"} {
			for _, v := range []struct{ name, selector, en, zh string }{
				{"station", "#rtu-1", "Owner: fep1", "主用: fep1"},
				{"conditions", "nav [aria-current=page]", "Conditions", "状况"},
				{"events", "#kept", "events are kept", "条事件"},
				{"points?rtu=1", "#points-shown", "3 points", "3 个点"},
				{"points?rtu=1&kind=control", "#points-shown", "2 points", "2 个点"},
				{"points?show=1/di/17", "#history", "History of 1/di/17", "1/di/17 的历史"},
				{"commissioning", "main", "not begun", "未开始"},
				{"takeovers", "main", "rtu/1", "rtu/1"},
				{"nodes", "main", "follower", "跟随者"},
				{"nodes", "#who-sees", "does not connect", "连不上"},
				{"nodes", ".facts", "48 MiB", "48 MiB"},
				{"configuration", "nav [aria-current=page]", "Configuration", "配置"},
				{"exports", "main", "no exports", "没有外送"},
				{"fnp", "main", "no FNP", "没有 FNP"},
			} {
				view(t, ctx, v.name)
				want := v.en
				if language == "zh" {
					want = v.zh
				}
				sees(t, ctx, v.selector, want)
				if w := get(t, ctx, "width", chromedp.Evaluate[int64](`document.documentElement.scrollWidth`)); w > size.width {
					t.Errorf("%s in %s on the %s: %d pixels wide", v.name, language, size.name, w)
				}
				accessible(t, ctx, checker, v.name+" in "+language+" on the "+size.name)
				screenshot(t, ctx, strings.NewReplacer("?", "-", "/", "-", "=", "-").Replace(v.name)+"-"+language+"-"+size.name)
			}
			do(t, ctx, "language", chromedp.Click(chromedp.CSS("#language")))
		}
	}
	// That this station has no FNP, and nobody who changes its configuration, is told with 404; nothing else fails.
	if failed := get(t, ctx, "failed requests", chromedp.Evaluate[string](`performance.getEntriesByType("resource").filter((e) => e.responseStatus >= 400 && !/v1.(fnp|config)/.test(e.name)).map((e) => e.name).join()`)); failed != "" {
		t.Errorf("failed requests: %s", failed)
	}

	do(t, ctx, "dark", chromedp.EmulateViewport(1280, 720), chromedp.Evaluate[chromedp.Void](`document.documentElement.dataset.theme = "dark"`))
	for _, name := range []string{"station", "events", "points?rtu=1&show=1/di/17", "commissioning", "takeovers", "nodes", "configuration", "access"} {
		view(t, ctx, name)
		accessible(t, ctx, checker, name+" in the dark")
	}
}

// Without a certificate the page asks for a token, again if it is wrong.
func TestPageAsksForAToken(t *testing.T) {
	ctx := browser(t, chromedp.IgnoreCertErrors, chromedp.Flag("blink-settings", "preferredColorScheme=0"))
	s := serveSecured(t)
	do(t, ctx, "open", chromedp.Navigate(s.Base+"/"), chromedp.WaitVisible(chromedp.CSS("#login")))
	screenshot(t, ctx, "login")
	do(t, ctx, "by token", chromedp.Click(`//dialog[@id="login"]//button[text()="Use a token"]`))
	enter := func(token string) {
		t.Helper()
		do(t, ctx, "token", chromedp.SetValue(chromedp.CSS("#login input"), token), chromedp.Click(`//dialog[@id="login"]//button[@type="submit"]`))
	}
	enter("wrong")
	sees(t, ctx, "#login [role=alert]", "token")
	enter(aliceToken)
	sees(t, ctx, "header", "Demo station (21)")
	screenshot(t, ctx, "dark")
}

// Whoever looks is offered what he may, and nothing that can't work; what he sees ends with his session.
func TestPageOffersWhatTheRoleMay(t *testing.T) {
	ctx := browser(t, chromedp.IgnoreCertErrors)
	s := serveSecured(t)
	for _, role := range []fsm.Role{fsm.Viewer, fsm.Operator, fsm.Admin} {
		s.node.user(t, "u-"+role.String(), role)
	}
	buttons := func() int {
		return get(t, ctx, "buttons", chromedp.Evaluate[int](`document.querySelectorAll("main button").length`))
	}
	login := func(name string) {
		t.Helper()
		do(t, ctx, name, chromedp.WaitVisible(chromedp.CSS("#login")), chromedp.SetValue(chromedp.CSS("#login [name=name]"), name),
			chromedp.SetValue(chromedp.CSS("#login [name=password]"), name+"'s password"), chromedp.Click(`//dialog[@id="login"]//button[@type="submit"]`))
		sees(t, ctx, "#who", name)
	}
	do(t, ctx, "open", chromedp.Navigate(s.Base+"/"))
	for _, tc := range []struct {
		name            string
		moves, releases bool
	}{{"u-viewer", false, false}, {"u-operator", true, true}} {
		login(tc.name)
		view(t, ctx, "station")
		sees(t, ctx, "#rtu-1", "110 kV incomer")
		if n := buttons(); (n > 0) != tc.moves {
			t.Errorf("%s is offered %d buttons at the station", tc.name, n)
		}
		view(t, ctx, "access")
		sees(t, ctx, "main", tc.name)
		do(t, ctx, "log out", chromedp.Click(`//section[@class="access"]//button[text()="Log out"]`))
	}
	login("u-admin")
	view(t, ctx, "access")
	sees(t, ctx, "main", "u-operator")
	sees(t, ctx, "#audit", "logged in from") // the audit is an admin's to see here
	setField(t, ctx, "#new-token [name=name]", "backup")
	do(t, ctx, "new token", chromedp.Click(chromedp.CSS("#new-token button")))
	sees(t, ctx, "main", "This token is shown once")
	screenshot(t, ctx, "access")
}
