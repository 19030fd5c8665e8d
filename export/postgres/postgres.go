// Package postgres exports into a PostgreSQL database. docs/EXPORTS.md has the schema.
package postgres

import (
	"cmp"
	"context"
	"crypto/tls"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fepha/fepha/export"
)

// Config says where the database is.
type Config struct {
	URL      string                 // postgres://user@host:port/database, without a password
	Password func() (string, error) // asked at each connection, so that a changed one needs no restart
	TLS      func() *tls.Config     // nil: plain, for loopback; asked at each connection
}

// connectTimeout bounds an attempt to connect, and a look whether the database can be reached.
const connectTimeout = 10 * time.Second

// Driver implements [export.Driver].
type Driver struct{ cfg Config }

// New makes a driver. Errors are of the URL.
func New(cfg Config) (*Driver, error) {
	if _, err := pgx.ParseConfig(cfg.URL); err != nil {
		return nil, errors.New("url: expected postgres://user@host:port/database") // the library's error quotes it
	}
	return &Driver{cfg}, nil
}

func (d *Driver) connect(ctx context.Context) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(d.cfg.URL)
	if err != nil {
		return nil, err
	}
	if cfg.Password, err = d.cfg.Password(); err != nil {
		return nil, err
	}
	cfg.TLSConfig, cfg.Fallbacks = nil, nil // never in clear text because TLS failed
	if d.cfg.TLS != nil {
		cfg.TLSConfig = d.cfg.TLS()
		cfg.TLSConfig.ServerName = cmp.Or(cfg.TLSConfig.ServerName, cfg.Host)
	}
	cfg.ConnectTimeout = connectTimeout
	cfg.RuntimeParams["application_name"] = "fepha"
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, plainly(err)
	}
	return conn, nil
}

// plainly leaves out of an error the connection's parameters, which the library puts before what went wrong.
func plainly(err error) error {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return fmt.Errorf("the database says: %s (SQLSTATE %s)", server.Message, server.Code)
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return fmt.Errorf("connecting: %w", connect.Unwrap())
	}
	return err
}

// Probe implements [export.Driver].
func (d *Driver) Probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := d.connect(ctx)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// The schema's steps, each brought in once and in order. A step never changes once it has been released.
var migrations = []string{schema1}

//go:embed schema1.sql
var schema1 string

// migrationLock is the advisory lock under which the schema is made: of two FEPs one waits.
const migrationLock = 0x66657068 // "feph"

func migrate(ctx context.Context, conn *pgx.Conn) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", migrationLock); err != nil {
			return err
		}
		// The table is looked for first, so that a user without the right to make one can export into what is there.
		var there bool
		if err := tx.QueryRow(ctx, "SELECT to_regclass('fepha_schema') IS NOT NULL").Scan(&there); err != nil {
			return err
		}
		version := 0
		if there {
			if err := tx.QueryRow(ctx, "SELECT coalesce(max(version), 0) FROM fepha_schema").Scan(&version); err != nil {
				return err
			}
		}
		if version > len(migrations) {
			return fmt.Errorf("its schema is version %d, made by a newer fepha: this one knows up to %d", version, len(migrations))
		}
		for v, step := range migrations[version:] {
			if _, err := tx.Exec(ctx, step); err != nil {
				return fmt.Errorf("schema version %d: %w", version+v+1, err)
			}
			if _, err := tx.Exec(ctx, "INSERT INTO fepha_schema (version) VALUES ($1)", version+v+1); err != nil {
				return err
			}
		}
		return nil
	})
}

// The tables into which a batch is copied, for the length of its transaction: from there what is new goes on.
const staging = `
CREATE TEMPORARY TABLE fepha_events_in (LIKE fepha_events) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE fepha_audit_in (LIKE fepha_audit) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE fepha_values_in (LIKE fepha_values) ON COMMIT DELETE ROWS;`

// Open implements [export.Driver]: it connects, and makes or migrates the schema.
func (d *Driver) Open(ctx context.Context, start export.Start) (export.Target, error) {
	conn, err := d.connect(ctx)
	if err != nil {
		return nil, err
	}
	if err = migrate(ctx, conn); err == nil {
		_, err = conn.Exec(ctx, staging)
	}
	if err != nil {
		_ = conn.Close(ctx)
		return nil, plainly(err)
	}
	return &target{conn: conn, delivered: start.After}, nil
}

type target struct {
	conn      *pgx.Conn
	delivered uint64
}

var (
	eventColumns = []string{"station", "seq", "time", "rtu", "kind", "point", "name", "value", "unit", "quality", "source"}
	auditColumns = []string{"station", "seq", "time", "node", "number", "text", "content", "hash"}
	valueColumns = []string{"station", "rtu", "kind", "point", "time", "name", "value", "unit", "quality"}
)

// Write implements [export.Target]: the batch is one transaction, and what is there already stays as it is.
func (t *target) Write(ctx context.Context, records []export.Record) error {
	var events, audit [][]any
	for i := range records {
		r := &records[i]
		if a := r.Audit; a != nil {
			audit = append(audit, []any{int32(r.Station), int64(r.Seq), r.Time, r.Source, int64(a.Number), text(r.Name), text(string(a.Content())), a.Hash[:]})
		} else {
			events = append(events, []any{int32(r.Station), int64(r.Seq), r.Time, int64(r.RTU), r.Kind, int64(r.Point), text(r.Name), r.Value, text(r.Unit), r.Quality, r.Source})
		}
	}
	err := pgx.BeginFunc(ctx, t.conn, func(tx pgx.Tx) error {
		if err := insert(ctx, tx, "fepha_events", eventColumns, events); err != nil {
			return err
		}
		return insert(ctx, tx, "fepha_audit", auditColumns, audit)
	})
	if err != nil {
		return plainly(err)
	}
	t.delivered = records[len(records)-1].Seq
	return nil
}

// WriteValues implements [export.ValueTarget].
func (t *target) WriteValues(ctx context.Context, values []export.Value) error {
	rows := make([][]any, len(values))
	for i := range values {
		v := &values[i]
		rows[i] = []any{int32(v.Station), int64(v.RTU), v.Kind, int64(v.Point), v.Time, text(v.Name), v.Value, text(v.Unit), v.Quality}
	}
	return plainly(pgx.BeginFunc(ctx, t.conn, func(tx pgx.Tx) error {
		return insert(ctx, tx, "fepha_values", valueColumns, rows)
	}))
}

// text leaves out what PostgreSQL can't keep in a text.
func text(s string) string { return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "") }

func insert(ctx context.Context, tx pgx.Tx, table string, columns []string, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{table + "_in"}, columns, pgx.CopyFromRows(rows)); err != nil {
		return err
	}
	names := strings.Join(columns, ", ")
	_, err := tx.Exec(ctx, fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s_in ON CONFLICT DO NOTHING", table, names, names, table))
	return err
}

// Delivered implements [export.Target].
func (t *target) Delivered() uint64 { return t.delivered }

// Committed implements [export.Target].
func (t *target) Committed(uint64) error { return nil }

// Close implements [export.Target].
func (t *target) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return t.conn.Close(ctx)
}
