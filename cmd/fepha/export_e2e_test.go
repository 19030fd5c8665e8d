package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/export/exporttest"
	"github.com/xuri/excelize/v2"
)

// exportOf is an export as any node tells it.
func exportOf(t *testing.T, ctx context.Context, s *rig.Station, name string) api.ExportStatus {
	t.Helper()
	list, err := s.Client().Exports(ctx)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(e api.ExportStatus) bool { return e.Name == name })
	return list[i]
}

// journaled are the numbers of all events.
func journaled(t *testing.T, ctx context.Context, s *rig.Station) (seqs []int64) {
	t.Helper()
	for after, more := uint64(0), true; more; {
		page, err := s.Client().Events(ctx, after, 10_000)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			if e.Audit == 0 {
				seqs = append(seqs, int64(e.Seq))
			}
		}
		after, more = page.Scanned, page.More
	}
	return seqs
}

// written are the numbers in the files of both FEPs.
func written(t *testing.T, dir string) (seqs []int64) {
	t.Helper()
	paths, _ := filepath.Glob(filepath.Join(dir, "*", "events-21-*.csv"))
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(strings.TrimSpace(string(content)), "\n")[1:] {
			var station, seq int64
			if _, err := fmt.Sscanf(line, "%d,%d,", &station, &seq); err != nil || station != 21 {
				t.Fatalf("%s: %s", path, line)
			}
			seqs = append(seqs, seq)
		}
	}
	slices.Sort(seqs)
	return seqs
}

// Under load the owner is killed, the database too, and one FEP loses its folder: every event is in the database and in
// the files once.
func TestExports(t *testing.T) {
	db := exporttest.StartPostgres(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte(exporttest.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	soe := filepath.Join(dir, "soe")
	s, ctx := newStation(t, rig.Options{Mode: "main-standby", Exports: fmt.Sprintf(
		"  - {name: history, kind: postgres, url: %q, password_file: %q}\n  - {name: soe, kind: file, dir: %q, free_mb: 16}\n",
		db.URL(), filepath.Join(dir, "password"), soe+"/{node}")})
	if _, err := s.WaitFor(ctx, "a whole station", rig.Complete); err != nil {
		t.Fatal(err)
	}
	caughtUp := func(name string) func() bool {
		return func() bool { return exportOf(t, ctx, s, name).Backlog == 0 }
	}
	stop := s.Simulate(func(ctx context.Context) { s.Devices[0].Emit(ctx, 2000, 16) })
	exporttest.Within(t, time.Minute, "events are exported", func() bool {
		return exportOf(t, ctx, s, "history").Cursor > 500 && exportOf(t, ctx, s, "soe").Cursor > 500
	})
	owner := exportOf(t, ctx, s, "soe").Owner
	if err := s.Kill(owner); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WaitFor(ctx, "the other FEP", rig.Complete); err != nil {
		t.Fatal(err)
	}
	db.Process.Kill()
	exporttest.Within(t, time.Minute, "the database is missed", func() bool {
		return slices.ContainsFunc(exportOf(t, ctx, s, "history").Reach, func(r api.ExportReach) bool { return !r.OK })
	})
	if err := s.Start(owner); err != nil {
		t.Fatal(err)
	}
	exporttest.Within(t, time.Minute, "no FEP reaches the database, and that is told", func() bool {
		st, err := s.Client().Status(ctx)
		return err == nil && said(st, "export.history.export_unreachable")
	})
	db.Restart()

	// The owner's folder is gone: the other FEP goes on.
	other := exportOf(t, ctx, s, "soe").Owner
	block(t, filepath.Join(soe, other))
	exporttest.Within(t, 2*time.Minute, "the export of files moves to where it can write", func() bool {
		return exportOf(t, ctx, s, "soe").Owner == owner
	})
	stop()
	noneLost(t, s.Settle(ctx))
	exporttest.Within(t, time.Minute, "the database has all", caughtUp("history"))
	exporttest.Within(t, time.Minute, "the files have all", caughtUp("soe"))
	unblock(t, filepath.Join(soe, other))
	exporttest.Within(t, time.Minute, "what the former owner wrote has ended", func() bool {
		open, _ := filepath.Glob(filepath.Join(soe, other, "*.open"))
		return len(open) == 0
	})
	all := journaled(t, ctx, s)
	if got := exporttest.Ask[int64](db, "SELECT seq FROM fepha_events ORDER BY seq"); !slices.Equal(got, all) {
		t.Errorf("%d events in the database, %d in the journal", len(got), len(all))
	}
	if got := written(t, soe); !slices.Equal(got, all) {
		t.Errorf("%d events in files, %d in the journal", len(got), len(all))
	}
	out, _ := fepha(t, cli.ExitDone, "export", "list", "--addr="+s.Node("wit").API)
	if !strings.Contains(out, "history") || !strings.Contains(out, "good") {
		t.Errorf("%s", out)
	}
	t.Logf("%d events\n%s", len(all), out)
	exportedByHand(t, s.Node("wit").API, len(all))
}

// exportedByHand writes the journal's events in each format, and counts them.
func exportedByHand(t *testing.T, api string, want int) {
	t.Helper()
	dir := t.TempDir()
	for _, format := range []string{"csv", "jsonl", "xlsx"} {
		path := filepath.Join(dir, "events."+format)
		fepha(t, cli.ExitDone, "event", "export", "--addr="+api, "--kind=di", "--format="+format, "--out="+path)
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Count(string(content), "\n")
		switch format {
		case "csv":
			got-- // the heading
		case "xlsx":
			book, err := excelize.OpenFile(path)
			if err != nil {
				t.Fatal(err)
			}
			rows, err := book.GetRows("Sheet1")
			if err != nil {
				t.Fatal(err)
			}
			got = len(rows) - 1
			_ = book.Close()
		}
		if got != want {
			t.Errorf("%d events as %s, %d in the journal", got, format, want)
		}
	}
}

// block puts a file in the place of a folder; the folder is kept beside it.
func block(t *testing.T, dir string) {
	t.Helper()
	if err := os.Rename(dir, dir+".kept"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func unblock(t *testing.T, dir string) {
	t.Helper()
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir+".kept", dir); err != nil {
		t.Fatal(err)
	}
}
