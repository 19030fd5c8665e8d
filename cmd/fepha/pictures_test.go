package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/fepha/internal/trialcmd"
	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/sim"
)

// mostOctets is what a picture may have: they are in the repository.
const mostOctets = 150_000

// TestPictures makes the pictures of the documentation: every page of a station at work, in both languages. scripts/pictures runs it.
func TestPictures(t *testing.T) {
	folder := os.Getenv("FEPHA_PICTURES")
	if folder == "" {
		t.Skip("FEPHA_PICTURES names no folder: scripts/pictures does")
	}
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is needed")
	}
	points := trialcmd.DemoPoints()
	for i := range 8 {
		points = append(points, sim.DevicePoint{Address: asdu.InformationObjectAddress(4001 + i), Type: asdu.M_ME_NC_1, Value: 100 + float64(i)})
	}
	var rtus []rig.RTU
	for i, name := range []string{"110 kV incomer", "35 kV feeders", "Auxiliary supply"} {
		rtus = append(rtus, rig.RTU{Number: uint32(i + 1), Name: name, CommonAddress: asdu.CommonAddress(i + 1), Points: points})
	}
	s, ctx := newStation(t, rig.Options{Mode: "main-standby", FNP: true, RTUs: rtus, Lease: 3 * time.Second,
		Exports: fmt.Sprintf("  - {name: history, kind: file, dir: %q, free_mb: 16}\n  - {name: syslog, kind: syslog, url: \"syslog+tcp://127.0.0.1:9\"}\n", t.TempDir())})
	analog := work(t, ctx, s)

	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1280, 720))...)
	defer stop()
	browser, cancel := chromedp.NewContext(allocator)
	defer cancel()
	if err := chromedp.Do(browser); err != nil { // starts it: with a context of its own it would end with that
		t.Fatal(err)
	}
	do := func(actions ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		ctx, cancel := context.WithTimeout(browser, 30*time.Second)
		defer cancel()
		if err := chromedp.Do(ctx, actions...); err != nil {
			t.Fatal(err)
		}
	}
	st, err := s.Client().Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	do(chromedp.EmulateViewport(1280, 720), chromedp.Navigate(s.Node(st.RTUs[0].Owner).API+"/"), chromedp.WaitVisible(chromedp.CSS("#rtu-1")))
	for _, language := range []string{"en", "zh"} {
		for _, view := range []struct{ name, address, shows string }{
			{"station", "station", "#rtu-3"}, {"conditions", "conditions", ".condition"}, {"events", "events", ".rows .event"},
			{"points", fmt.Sprintf("points?rtu=1&show=1/ai/%d", analog), "#history .plot"}, {"controls", "points?rtu=1&kind=control", ".operable"},
			{"frames", "frames?of=rtu/1", ".rows .frame"}, {"commissioning", "commissioning?rtu=1", ".rows .check"}, {"takeovers", "takeovers", "tbody tr"},
			{"nodes", "nodes", "#who-sees .good"}, {"configuration", "configuration", "#section-rtus details"}, {"files", "configuration?show=files", ".files .code"},
			{"history", "configuration?show=history", "#config-versions tbody tr"}, {"exports", "exports", "#export-history"}, {"fnp", "fnp", "main h2"}, {"access", "access", "main section"},
		} {
			do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf("location.hash = %q", "#/"+view.address)), chromedp.WaitVisible(chromedp.CSS(view.shows)))
			course := 2 * time.Second // for a plot to show something
			if view.name == "takeovers" {
				course = 12 * time.Second
			}
			time.Sleep(course)
			do(chromedp.WaitVisible(chromedp.CSS("main:not(.stale)"))) // a machine that is busy may lose its quorum for a moment
			shot, cancel := context.WithTimeout(browser, 30*time.Second)
			picture, err := chromedp.Run(shot, chromedp.FullScreenshot(100))
			cancel()
			if err != nil {
				t.Fatal(err)
			}
			if picture, err = shrunk(picture); err != nil {
				t.Fatal(err)
			}
			if len(picture) > mostOctets {
				t.Errorf("%s in %s has %d octets, expected at most %d", view.name, language, len(picture), mostOctets)
			}
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("page-%s-%s.png", view.name, language)), picture, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		do(chromedp.Click(chromedp.CSS("#language")))
	}
}

// work has the station do what there's to be seen. It returns an analog of RTU 1 that changes.
func work(t *testing.T, ctx context.Context, s *rig.Station) (analog uint32) {
	t.Helper()
	for _, d := range s.Devices {
		s.Simulate(func(ctx context.Context) { d.Emit(ctx, 1, 1) })
	}
	s.Simulate(func(ctx context.Context) {
		for i := 0; ctx.Err() == nil; i++ {
			_ = s.Devices[0].Change(asdu.M_ME_TF_1, time.Now(), asdu.Object{Address: 4001, Value: 110 + float64(i%7)/10})
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	})
	c := s.Client()
	one := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	table, err := c.Table(ctx, 1)
	one("table", err)
	i := slices.IndexFunc(table.Points, func(p api.TablePoint) bool { return p.Kind == "ai" })
	analog = table.Points[i].Point.Point
	outputs, err := c.Operable(ctx, 1)
	one("outputs", err)
	_, err = c.StartCheck(ctx, 1, api.CheckStart{})
	one("check", err)
	_, err = c.Tick(ctx, 1, api.CheckTick{Kind: "ai", Point: analog, OK: true, Remark: "101 kV at both ends"})
	one("tick", err)
	_, err = c.Control(ctx, api.ControlRequest{RTU: 1, Kind: "do", Point: outputs[0].Point, State: "on"})
	one("control", err)
	_, err = c.Substitute(ctx, 2, "di", 3, api.OverrideRequest{State: "on", Reason: "auxiliary contact broken"})
	one("substitute", err)
	for range 2 {
		before, err := c.RTU(ctx, 1)
		one("status", err)
		_, err = c.Failover(ctx, 1, "")
		one("failover", err)
		_, err = s.WaitFor(ctx, "the move", func(st api.Status) bool { return rig.Complete(st) && st.RTUs[0].Owner != before.Owner })
		one("move", err)
	}
	if err := s.Devices[2].Break(1); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the conditions", func() bool {
		list, err := c.Conditions(ctx)
		return err == nil && len(list.Conditions) >= 2
	})
	return analog
}

// shrunk is a PNG in the 256 colours that it has most of: a page has few.
func shrunk(content []byte) ([]byte, error) {
	full, err := png.Decode(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	area := full.Bounds()
	count := map[color.Color]int{}
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			count[full.At(x, y)]++
		}
	}
	most := slices.SortedFunc(maps.Keys(count), func(a, b color.Color) int { return count[b] - count[a] })
	few := image.NewPaletted(area, most[:min(256, len(most))])
	draw.Draw(few, area, full, area.Min, draw.Src)
	var out bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, few)
	return out.Bytes(), err
}
