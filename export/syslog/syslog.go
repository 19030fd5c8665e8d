// Package syslog exports to a syslog server: RFC 5424 over TCP (RFC 6587, octet counting) or TLS (RFC 5425).
//
// Syslog has no acknowledgement. A record counts as delivered when the server's TCP has acknowledged it and the connection
// has stayed for settle after that. When a connection ends in any way but the server's own orderly end, the server may have
// died with octets unread: the newest of them, as many as its TCP may have had, are sent again.
package syslog

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fepha/fepha/export"
)

// Config says where the server is.
type Config struct {
	URL  string             // syslog+tcp://host:port or syslog+tls://host:port
	TLS  func() *tls.Config // of syslog+tls; asked at each connection
	Host string             // the name by which the station calls itself
}

const (
	connectTimeout = 10 * time.Second
	writeTimeout   = 30 * time.Second // without an octet taken the server counts as gone
	settle         = 5 * time.Second
	unread         = 6 << 20 // octets that a Linux host keeps for a connection at most (net.ipv4.tcp_rmem)
)

// PRI values: facility local0 for events, log audit (13) for the audit; informational, and notice.
const (
	priEvent = 16*8 + 6
	priAudit = 13*8 + 5
)

// Driver implements [export.Driver].
type Driver struct {
	cfg    Config
	host   string // host:port
	secure bool

	mu   sync.Mutex
	from *uint64 // where to go on after a connection that ended in disorder; nil: after the cursor
}

// New makes a driver. Errors are of the URL.
func New(cfg Config) (*Driver, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || u.Scheme != "syslog+tcp" && u.Scheme != "syslog+tls" {
		return nil, errors.New("url: expected syslog+tls://host:port or syslog+tcp://host:port")
	}
	d := &Driver{cfg: cfg, host: u.Host, secure: u.Scheme == "syslog+tls"}
	if u.Port() == "" {
		d.host += map[bool]string{true: ":6514", false: ":601"}[d.secure]
	}
	return d, nil
}

// dial returns the connection, and the TCP connection below it.
func (d *Driver) dial(ctx context.Context) (conn net.Conn, below *net.TCPConn, err error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var dialer net.Dialer
	plain, err := dialer.DialContext(ctx, "tcp", d.host)
	if err != nil {
		return nil, nil, err
	}
	below = plain.(*net.TCPConn)
	if !d.secure {
		return below, below, nil
	}
	cfg := d.cfg.TLS()
	if cfg.ServerName == "" {
		cfg.ServerName, _, _ = net.SplitHostPort(d.host)
	}
	secured := tls.Client(plain, cfg)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, nil, errors.Join(err, plain.Close())
	}
	return secured, below, nil
}

// Probe implements [export.Driver].
func (d *Driver) Probe(ctx context.Context) error {
	conn, _, err := d.dial(ctx)
	if err != nil {
		return err
	}
	return conn.Close()
}

// Open implements [export.Driver].
func (d *Driver) Open(ctx context.Context, start export.Start) (export.Target, error) {
	conn, below, err := d.dial(ctx)
	if err != nil {
		return nil, err
	}
	t := &target{driver: d, conn: conn, below: below, delivered: start.After}
	d.mu.Lock()
	if d.from != nil {
		t.delivered, d.from = min(t.delivered, *d.from), nil
	}
	d.mu.Unlock()
	t.sent = t.delivered
	t.reading.Go(t.read)
	return t, nil
}

// mark stands for the records of one write, and since when the server's TCP has had them; the zero instant: not yet.
type mark struct {
	after uint64 // record before the first of these
	seq   uint64 // the last of these
	size  int    // octets
	with  time.Time
}

type target struct {
	driver *Driver
	conn   net.Conn
	below  *net.TCPConn

	marks     []mark // ascending: of what the server may not have read yet
	settled   int    // so many of them count as delivered
	delivered uint64
	sent      uint64

	reading sync.WaitGroup
	mu      sync.Mutex
	ended   error // why the connection is of no use any more
}

// read waits for the end of the connection: a syslog server says nothing.
func (t *target) read() {
	var b [256]byte
	var err error
	for err == nil {
		_, err = t.conn.Read(b[:])
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = fmt.Errorf("the server has ended the connection: %w", err)
}

func (t *target) end() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ended
}

// Write implements [export.Target].
func (t *target) Write(ctx context.Context, records []export.Record) error {
	if err := t.end(); err != nil {
		return err
	}
	var b bytes.Buffer
	for i := range records {
		message := t.message(&records[i])
		b.WriteString(strconv.Itoa(len(message)))
		b.WriteByte(' ')
		b.WriteString(message)
	}
	size := b.Len()
	stop := context.AfterFunc(ctx, func() { _ = t.conn.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	for b.Len() > 0 {
		if err := t.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return err
		}
		if _, err := t.conn.Write(b.Next(64 << 10)); err != nil {
			return err
		}
	}
	t.marks = append(t.marks, mark{after: t.sent, seq: records[len(records)-1].Seq, size: size})
	t.sent = records[len(records)-1].Seq
	return nil
}

// message is a record in the form of RFC 5424.
func (t *target) message(r *export.Record) string {
	pri, id := priEvent, "event"
	data := fmt.Sprintf(`[fepha@32473 station="%d" seq="%d" rtu="%d" kind="%s" point="%d" value="%s" quality="%s" source="%s"]`,
		r.Station, r.Seq, r.RTU, r.Kind, r.Point, strconv.FormatFloat(r.Value, 'g', -1, 64), escape(r.Quality), escape(r.Source))
	text := fmt.Sprintf("%s = %s %s (%s)", r.Name, strconv.FormatFloat(r.Value, 'g', -1, 64), r.Unit, r.Quality)
	if a := r.Audit; a != nil {
		pri, id = priAudit, "audit"
		data = fmt.Sprintf(`[fepha@32473 station="%d" seq="%d" number="%d" node="%s" kind="%s" origin="%s" hash="%x"]`,
			r.Station, r.Seq, a.Number, escape(r.Source), escape(a.Note.Kind.String()), escape(a.Note.Origin), a.Hash)
		text = r.Name
	}
	// BOM: MSG is UTF-8.
	return fmt.Sprintf("<%d>1 %s %s fepha - %s %s \ufeff%s", pri, r.Time.Format(export.TimeFormat), t.driver.cfg.Host, id, data, oneLine(text))
}

// escape is a parameter's value (RFC 5424, 6.3.3).
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`).Replace(oneLine(s))
}

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// Delivered implements [export.Target].
func (t *target) Delivered() uint64 {
	if len(t.marks) == t.settled || t.end() != nil {
		return t.delivered
	}
	now := time.Now()
	if waiting, err := unacknowledged(t.below); err == nil && waiting == 0 {
		for i := range t.marks {
			if t.marks[i].with.IsZero() {
				t.marks[i].with = now
			}
		}
	}
	for t.settled < len(t.marks) && !t.marks[t.settled].with.IsZero() && t.marks[t.settled].with.Add(settle).Before(now) {
		t.delivered = t.marks[t.settled].seq
		t.settled++
	}
	t.forget()
	return t.delivered
}

// forget drops the marks of what has certainly been read, since more than the server's TCP can keep was sent after it.
func (t *target) forget() {
	after := 0
	for i := len(t.marks) - 1; i >= 0; i-- {
		if after > unread {
			n := min(i, t.settled)
			t.marks, t.settled = t.marks[n:], t.settled-n
			return
		}
		after += t.marks[i].size
	}
}

// Committed implements [export.Target].
func (t *target) Committed(uint64) error { return nil }

// Close implements [export.Target].
func (t *target) Close() error {
	disorder := t.end()
	err := t.conn.Close()
	t.reading.Wait()
	if disorder != nil && !errors.Is(disorder, io.EOF) && len(t.marks) > 0 {
		t.driver.mu.Lock()
		t.driver.from = &t.marks[0].after
		t.driver.mu.Unlock()
	}
	return err
}
