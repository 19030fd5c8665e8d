package postgres_test

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fepha/fepha/export"
	"github.com/fepha/fepha/export/exporttest"
	"github.com/fepha/fepha/export/postgres"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t testing.TB) *exporttest.Postgres { return exporttest.StartPostgres(t) }

func driver(s *exporttest.Postgres, ask func() (string, error)) export.Driver {
	d, err := postgres.New(postgres.Config{URL: s.URL(), Password: ask})
	if err != nil {
		panic(err)
	}
	return d
}

func good(s *exporttest.Postgres) export.Driver {
	return driver(s, func() (string, error) { return exporttest.Password, nil })
}

func TestFaults(t *testing.T) {
	s := start(t)
	exporttest.Faults(t, exporttest.Server{
		Driver: func(string) export.Driver { return good(s) },
		Seqs:   func() []uint64 { return exporttest.Ask[uint64](s, "SELECT seq FROM fepha_events ORDER BY seq") },
		Stop:   s.Process.Kill,
		Start:  s.Restart,
		Once:   true,
	})
}

// A database that takes ten seconds for an answer is waited for, and nothing is twice.
func TestSlow(t *testing.T) {
	s := start(t)
	x := exporttest.New(t, true, true)
	x.Run("fep1", export.Export{Driver: good(s)})
	x.Assign(t, exporttest.Resource, "fep1")
	x.Happen(100)
	x.Exported()
	exporttest.Ask[string](s, "ALTER SYSTEM SET commit_delay = 100000")
	exporttest.Ask[bool](s, "SELECT pg_reload_conf()")
	s.Process.Signal(syscall.SIGSTOP)
	x.Happen(1000)
	time.Sleep(300 * time.Millisecond) // the subject: a server that doesn't answer for a while
	s.Process.Signal(syscall.SIGCONT)
	x.Exported()
	if got := exporttest.Ask[int](s, "SELECT count(*) FROM fepha_events")[0]; got != 1100 {
		t.Errorf("%d events", got)
	}
	if got := exporttest.Ask[int](s, "SELECT count(*) FROM fepha_audit")[0]; got == 0 {
		t.Error("no audit")
	}
}

// A changed password is in force at the next connection; until then the reason is told, and the password isn't.
func TestPasswordChanged(t *testing.T) {
	s := start(t)
	now := "the former one"
	x := exporttest.New(t, true, false)
	release := make(chan struct{})
	x.Run("fep1", export.Export{Driver: driver(s, func() (string, error) {
		select {
		case <-release:
			return exporttest.Password, nil
		default:
			return now, nil
		}
	})})
	x.Assign(t, exporttest.Resource, "fep1")
	x.Happen(10)
	exporttest.Within(t, 20*time.Second, "the reason is told", func() bool {
		return strings.Contains(x.Export().Reach["fep1"].Reason, "password authentication failed")
	})
	if why := x.Export().Reach["fep1"].Reason; strings.Contains(why, now) {
		t.Error(why)
	}
	close(release)
	x.Exported()
}

// What PostgreSQL can't keep is left out, so that one record stops no export.
func TestHostileTexts(t *testing.T) {
	s := start(t)
	target, err := good(s).Open(context.Background(), export.Start{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = target.Close() }()
	err = target.Write(context.Background(), []export.Record{
		{Station: 21, Seq: 1, Time: time.UnixMilli(0), RTU: 1, Kind: "di", Point: 1, Name: "a\x00b\xff', DROP TABLE fepha_events; --", Quality: "good", Source: "device"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := exporttest.Ask[string](s, "SELECT name FROM fepha_events")[0]; got != "ab\ufffd', DROP TABLE fepha_events; --" {
		t.Errorf("%q", got)
	}
}

// Values are written beside events, those alone that have changed.
func TestValues(t *testing.T) {
	s := start(t)
	x := exporttest.New(t, true, false)
	x.Run("fep1", export.Export{Driver: good(s), Values: time.Second})
	x.Assign(t, exporttest.Resource, "fep1")
	for i := range 3 {
		x.Analog(7, float64(i)/2)
		exporttest.Within(t, 20*time.Second, "the value is written", func() bool {
			return len(exporttest.Ask[int](s, "SELECT 1 FROM pg_tables WHERE tablename = 'fepha_values'")) == 1 && exporttest.Ask[int](s, "SELECT count(*) FROM fepha_values")[0] == i+1
		})
	}
	got := exporttest.Ask[float64](s, "SELECT value FROM fepha_values WHERE station = 21 AND rtu = 1 AND kind = 'ai' AND point = 7 ORDER BY time")
	if len(got) != 3 || got[2] != 1 {
		t.Errorf("%v", got)
	}
}

// A schema that a newer build has made is left alone.
func TestNewerSchema(t *testing.T) {
	s := start(t)
	target, err := good(s).Open(context.Background(), export.Start{})
	if err != nil {
		t.Fatal(err)
	}
	if err := target.Close(); err != nil {
		t.Error(err)
	}
	exporttest.Ask[int](s, "INSERT INTO fepha_schema (version) VALUES (99) RETURNING version")
	if _, err := good(s).Open(context.Background(), export.Start{}); err == nil || !strings.Contains(err.Error(), "newer fepha") {
		t.Error(err)
	}
}

// BenchmarkWrite is a batch after the other into a real server.
func BenchmarkWrite(b *testing.B) {
	s := start(b)
	target, err := good(s).Open(context.Background(), export.Start{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = target.Close() }()
	records := make([]export.Record, 5000)
	seq := uint64(0)
	for b.Loop() {
		for i := range records {
			seq++
			records[i] = export.Record{Station: 21, Seq: seq, Time: time.UnixMilli(int64(seq)), RTU: 1, Kind: "di", Point: uint32(seq % 1000), Name: "110 kV incomer, breaker", Quality: "good", Source: "device"}
		}
		if err := target.Write(context.Background(), records); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(seq)/b.Elapsed().Seconds(), "records/s")
}
