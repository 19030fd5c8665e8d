package postgres_test

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/fepha/fepha/export"
	"github.com/fepha/fepha/export/exporttest"
	"github.com/fepha/fepha/export/postgres"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "not the usual one"

// server is a PostgreSQL of the test's own, whose users show a password.
type server struct {
	t       testing.TB
	port    string
	process *exporttest.Process
}

func start(t testing.TB) *server {
	initdb := exporttest.Tool(t, "initdb", "/usr/lib/postgresql/*/bin/initdb")
	dir, err := os.MkdirTemp("", "fepha-postgres")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	user := exporttest.Nobody(t)
	if user != nil {
		if err := os.Chown(dir, int(user.Uid), int(user.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	secret := filepath.Join(dir, "password")
	if err := os.WriteFile(secret, []byte(password), 0o644); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	exporttest.Run(t, user, initdb, "-D", data, "-U", "fepha", "--auth=scram-sha-256", "--pwfile="+secret, "--encoding=UTF8", "--locale=C")
	s := &server{t: t, port: exporttest.FreePort(t)}
	s.process = exporttest.Start(t, user, filepath.Join(filepath.Dir(initdb), "postgres"), "-D", data, "-p", s.port, "-k", dir, "-h", "127.0.0.1")
	s.ready()
	return s
}

func (s *server) url() string { return "postgres://fepha@127.0.0.1:" + s.port + "/postgres" }

func (s *server) driver(ask func() (string, error)) *postgres.Driver {
	d, err := postgres.New(postgres.Config{URL: s.url(), Password: ask})
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (s *server) good() export.Driver {
	return s.driver(func() (string, error) { return password, nil })
}

func (s *server) ready() {
	s.t.Helper()
	exporttest.Within(s.t, time.Minute, "PostgreSQL answers", func() bool { return s.good().Probe(context.Background()) == nil })
}

// ask runs a query whose rows have one column.
func ask[T any](s *server, query string) (all []T) {
	s.t.Helper()
	u, _ := url.Parse(s.url())
	u.User = url.UserPassword("fepha", password)
	conn, err := pgx.Connect(context.Background(), u.String())
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	rows, err := conn.Query(context.Background(), query)
	if err == nil {
		all, err = pgx.CollectRows(rows, pgx.RowTo[T])
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

func TestFaults(t *testing.T) {
	s := start(t)
	exporttest.Faults(t, exporttest.Server{
		Driver: func(string) export.Driver { return s.good() },
		Seqs:   func() []uint64 { return ask[uint64](s, "SELECT seq FROM fepha_events ORDER BY seq") },
		Stop:   s.process.Kill,
		Start: func() {
			s.process.Restart()
			s.ready()
		},
		Once: true,
	})
}

// A database that takes ten seconds for an answer is waited for, and nothing is twice.
func TestSlow(t *testing.T) {
	s := start(t)
	x := exporttest.New(t, true, true)
	x.Run("fep1", export.Export{Driver: s.good()})
	x.Assign(t, exporttest.Resource, "fep1")
	x.Happen(100)
	x.Exported()
	ask[string](s, "ALTER SYSTEM SET commit_delay = 100000")
	ask[bool](s, "SELECT pg_reload_conf()")
	s.process.Signal(syscall.SIGSTOP)
	x.Happen(1000)
	time.Sleep(300 * time.Millisecond) // the subject: a server that doesn't answer for a while
	s.process.Signal(syscall.SIGCONT)
	x.Exported()
	if got := ask[int](s, "SELECT count(*) FROM fepha_events")[0]; got != 1100 {
		t.Errorf("%d events", got)
	}
	if got := ask[int](s, "SELECT count(*) FROM fepha_audit")[0]; got == 0 {
		t.Error("no audit")
	}
}

// A changed password is in force at the next connection; until then the reason is told, and the password isn't.
func TestPasswordChanged(t *testing.T) {
	s := start(t)
	now := "the former one"
	x := exporttest.New(t, true, false)
	release := make(chan struct{})
	x.Run("fep1", export.Export{Driver: s.driver(func() (string, error) {
		select {
		case <-release:
			return password, nil
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
	target, err := s.good().Open(context.Background(), export.Start{})
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
	if got := ask[string](s, "SELECT name FROM fepha_events")[0]; got != "ab\ufffd', DROP TABLE fepha_events; --" {
		t.Errorf("%q", got)
	}
}

// Values are written beside events, those alone that have changed.
func TestValues(t *testing.T) {
	s := start(t)
	x := exporttest.New(t, true, false)
	x.Run("fep1", export.Export{Driver: s.good(), Values: time.Second})
	x.Assign(t, exporttest.Resource, "fep1")
	for i := range 3 {
		x.Analog(7, float64(i)/2)
		exporttest.Within(t, 20*time.Second, "the value is written", func() bool {
			return len(ask[int](s, "SELECT 1 FROM pg_tables WHERE tablename = 'fepha_values'")) == 1 && ask[int](s, "SELECT count(*) FROM fepha_values")[0] == i+1
		})
	}
	got := ask[float64](s, "SELECT value FROM fepha_values WHERE station = 21 AND rtu = 1 AND kind = 'ai' AND point = 7 ORDER BY time")
	if len(got) != 3 || got[2] != 1 {
		t.Errorf("%v", got)
	}
}

// A schema that a newer build has made is left alone.
func TestNewerSchema(t *testing.T) {
	s := start(t)
	target, err := s.good().Open(context.Background(), export.Start{})
	if err != nil {
		t.Fatal(err)
	}
	if err := target.Close(); err != nil {
		t.Error(err)
	}
	ask[int](s, "INSERT INTO fepha_schema (version) VALUES (99) RETURNING version")
	if _, err := s.good().Open(context.Background(), export.Start{}); err == nil || !strings.Contains(err.Error(), "newer fepha") {
		t.Error(err)
	}
}

// BenchmarkWrite is a batch after the other into a real server.
func BenchmarkWrite(b *testing.B) {
	s := start(b)
	target, err := s.good().Open(context.Background(), export.Start{})
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
