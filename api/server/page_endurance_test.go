package server

import (
	"bufio"
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/fepha/fepha/fsm"
)

// A page that is left open through a night of a million events keeps its memory, and shows the newest all the time.
func TestPageThroughANight(t *testing.T) {
	if testing.Short() {
		t.Skip("a million events take a minute")
	}
	const step, steps = 10_000, 100
	ctx := browser(t, chromedp.Flag("js-flags", "--expose-gc"), chromedp.Flag("enable-precise-memory-info", true))
	s := serve(t)
	do(t, ctx, "open", chromedp.Navigate(s.Base+"/#/events"))
	sees(t, ctx, "#kept", "events are kept")
	heap := func() int {
		return get(t, ctx, "heap", chromedp.Evaluate[int](`gc(), performance.memory.usedJSHeapSize`))
	}
	var first, last int
	for i := range steps {
		s.node.emit(uint64(2+i), step)
		var newest uint64
		s.node.View(func(state *fsm.State) { newest = state.JournalLast() })
		reads(t, ctx, strconv.FormatUint(newest, 10), "nothing of this kind")
		switch i {
		case 9:
			first = heap()
		case steps - 1:
			last = heap()
		}
	}
	t.Logf("%d events: %d kB of heap after a tenth of them, %d kB at the end", step*steps, first>>10, last>>10)
	if last > first+4<<20 {
		t.Errorf("the page's heap grew from %d to %d octets", first, last)
	}

	// Who has scrolled down keeps his place, and the list what the journal has: not more.
	do(t, ctx, "scroll", chromedp.Evaluate[chromedp.Void](`document.querySelector(".rows").scrollTop = 3000`))
	place := func() string {
		return get(t, ctx, "first row", chromedp.Evaluate[string](`[...document.querySelectorAll(".row")].find((r) => r.getBoundingClientRect().top >= document.querySelector(".rows").getBoundingClientRect().top)?.querySelector(".number").textContent ?? ""`))
	}
	within(t, "a place further down", func() bool { return place() != "" && place() != "0" })
	before := place()
	s.node.emit(steps+2, 50)
	within(t, "the new ones", func() bool {
		return strings.Contains(get(t, ctx, "rows", chromedp.Evaluate[string](`document.querySelector(".list").ariaRowCount`)), "50")
	})
	after := ""
	within(t, "the rows, which are read anew", func() bool { after = place(); return after != "" })
	if after != before {
		t.Errorf("the reader was at %s and is at %s", before, after)
	}
}

// A session is good on all nodes: when the one that serves the page is gone, the page goes to another and nobody is asked again.
func TestPageKeepsItsSessionThroughANodesEnd(t *testing.T) {
	ctx := browser(t, chromedp.IgnoreCertErrors)
	second := serveSecured(t)
	second.node.user(t, "u-operator", fsm.Operator)
	first := serveSecured(t, func(c *Config) {
		station := second.node.station
		c.Node = &fakeNode{Node: station.Node("fep2"), station: station}
		c.APIs["fep1"] = strings.TrimPrefix(second.Base, "https://")
	})
	do(t, ctx, "open", chromedp.Navigate(first.Base+"/#/points?rtu=1"), chromedp.WaitVisible(chromedp.CSS("#login")),
		chromedp.SetValue(chromedp.CSS("#login [name=name]"), "u-operator"), chromedp.SetValue(chromedp.CSS("#login [name=password]"), "u-operator's password"),
		chromedp.Click(`//dialog[@id="login"]//button[@type="submit"]`))
	sees(t, ctx, "#eyes", "seen through fep2")
	sees(t, ctx, "#who", "u-operator")
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	sees(t, ctx, "#eyes", "seen through fep1")
	sees(t, ctx, "#who", "u-operator")
	if at := get(t, ctx, "address", chromedp.Evaluate[string](`location.hash`)); at != "#/points?rtu=1" {
		t.Errorf("the page is at %s", at)
	}
}

// BenchmarkTenBrowsers tells what ten open pages cost, in percent of a core: the server's part and, since it's one process, that of the
// ten clients too. The station has ten events a second.
func BenchmarkTenBrowsers(b *testing.B) {
	const browsers = 10
	s := serve(b)
	ctx, stop := context.WithCancel(b.Context())
	var reading sync.WaitGroup
	for range browsers {
		reading.Go(func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Base+"/v1/live?lang=zh", nil)
			if err != nil {
				b.Error(err)
				return
			}
			resp, err := s.HTTP.Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			defer resp.Body.Close()
			for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			}
		})
	}
	spent := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	batch := uint64(2)
	began, before := time.Now(), spent()
	for b.Loop() { // an iteration is a second
		for range 10 {
			<-tick.C
			s.node.emit(batch, 1)
			batch++
		}
	}
	b.ReportMetric(100*float64(spent()-before)/float64(time.Since(began)), "%core")
	stop()
	reading.Wait()
}
