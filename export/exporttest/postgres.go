package exporttest

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fepha/fepha/internal/testneeds"
)

// Password is that of the user fepha in a [Postgres].
const Password = "not the usual one"

// Postgres is a PostgreSQL of a test's own, whose users show a password.
type Postgres struct {
	Process *Process
	t       testing.TB
	port    string
}

// StartPostgres starts one, which is gone at the end of the test.
func StartPostgres(t testing.TB) *Postgres {
	t.Helper()
	initdb := testneeds.Program(t, "initdb", "/usr/lib/postgresql/*/bin/initdb")
	dir, user := FolderOfNobody(t)
	secret := filepath.Join(dir, "password")
	if err := os.WriteFile(secret, []byte(Password), 0o644); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	Run(t, user, initdb, "-D", data, "-U", "fepha", "--auth=scram-sha-256", "--pwfile="+secret, "--encoding=UTF8", "--locale=C")
	s := &Postgres{t: t, port: FreePort(t)}
	s.Process = Start(t, user, filepath.Join(filepath.Dir(initdb), "postgres"), "-D", data, "-p", s.port, "-k", dir, "-h", "127.0.0.1")
	s.ready()
	return s
}

// URL is how an export names it.
func (s *Postgres) URL() string { return "postgres://fepha@127.0.0.1:" + s.port + "/postgres" }

// Restart starts it again, and waits until it answers.
func (s *Postgres) Restart() {
	s.t.Helper()
	s.Process.Restart()
	s.ready()
}

func (s *Postgres) ready() {
	s.t.Helper()
	Within(s.t, time.Minute, "PostgreSQL answers", func() bool {
		conn, err := s.connect()
		if err == nil {
			err = conn.Close(context.Background())
		}
		return err == nil
	})
}

func (s *Postgres) connect() (*pgx.Conn, error) {
	u, err := url.Parse(s.URL())
	if err != nil {
		return nil, err
	}
	u.User = url.UserPassword("fepha", Password)
	return pgx.Connect(context.Background(), u.String())
}

// Ask runs a query whose rows have one column.
func Ask[T any](s *Postgres, query string) (all []T) {
	s.t.Helper()
	conn, err := s.connect()
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
