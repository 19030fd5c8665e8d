// Package kafka exports to a Kafka topic.
package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/fepha/fepha/export"
)

// Config says where the brokers are.
type Config struct {
	Brokers  []string // host:port
	Topic    string   // of records; values go to the same name with "-values"
	Username string   // "": no SASL; else SCRAM-SHA-512
	Password func() (string, error)
	TLS      func() *tls.Config // nil: plain, for loopback; asked at each connection
}

const (
	timeout         = 10 * time.Second // of a look whether a broker answers
	deliveryTimeout = 30 * time.Second // of a batch
)

// Driver implements [export.Driver].
type Driver struct{ cfg Config }

// New makes a driver.
func New(cfg Config) *Driver { return &Driver{cfg} }

// client is a producer that is idempotent, which is the library's default: what it sends again the brokers keep once.
func (d *Driver) client() (*kgo.Client, error) {
	options := []kgo.Opt{
		kgo.SeedBrokers(d.cfg.Brokers...), kgo.ClientID("fepha"), kgo.DialTimeout(timeout),
		kgo.ProduceRequestTimeout(timeout), kgo.RetryTimeout(timeout), kgo.MaxBufferedRecords(20_000),
		// The order of a point's records is its partition's.
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
	}
	if d.cfg.TLS != nil {
		options = append(options, kgo.DialTLSConfig(d.cfg.TLS()))
	}
	if d.cfg.Username != "" {
		password, err := d.cfg.Password()
		if err != nil {
			return nil, err
		}
		options = append(options, kgo.SASL(scram.Auth{User: d.cfg.Username, Pass: password}.AsSha512Mechanism()))
	}
	return kgo.NewClient(options...)
}

// Probe implements [export.Driver].
func (d *Driver) Probe(ctx context.Context) error {
	c, err := d.client()
	if err != nil {
		return err
	}
	defer c.Close()
	return ping(ctx, c)
}

func ping(ctx context.Context, c *kgo.Client) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := c.Ping(ctx); err != nil {
		return fmt.Errorf("no broker answers: %w", err)
	}
	return nil
}

// Open implements [export.Driver].
func (d *Driver) Open(ctx context.Context, start export.Start) (export.Target, error) {
	c, err := d.client()
	if err != nil {
		return nil, err
	}
	if err := ping(ctx, c); err != nil {
		c.Close()
		return nil, err
	}
	return &target{client: c, topic: d.cfg.Topic, delivered: start.After}, nil
}

type target struct {
	client    *kgo.Client
	topic     string
	delivered uint64
}

// Write implements [export.Target]: it returns when all in-sync replicas have all records.
func (t *target) Write(ctx context.Context, records []export.Record) error {
	messages := make([]*kgo.Record, len(records))
	for i := range records {
		r := &records[i]
		messages[i] = &kgo.Record{
			Topic: t.topic, Key: key(r.Station, r.RTU, r.Kind, r.Point), Value: r.JSON(), Timestamp: r.Time,
			Headers: []kgo.RecordHeader{
				{Key: "station", Value: []byte(strconv.Itoa(int(r.Station)))}, {Key: "seq", Value: strconv.AppendUint(nil, r.Seq, 10)},
			},
		}
	}
	if err := t.produce(ctx, messages); err != nil {
		return err
	}
	t.delivered = records[len(records)-1].Seq
	return nil
}

// WriteValues implements [export.ValueTarget].
func (t *target) WriteValues(ctx context.Context, values []export.Value) error {
	messages := make([]*kgo.Record, len(values))
	for i := range values {
		v := &values[i]
		messages[i] = &kgo.Record{Topic: t.topic + "-values", Key: key(v.Station, v.RTU, v.Kind, v.Point), Value: v.JSON(), Timestamp: v.Time}
	}
	return t.produce(ctx, messages)
}

func (t *target) produce(ctx context.Context, messages []*kgo.Record) error {
	// The library's own bound goes by a record's time, which is the event's.
	ctx, cancel := context.WithTimeoutCause(ctx, deliveryTimeout, errors.New("the brokers don't acknowledge"))
	defer cancel()
	err := t.client.ProduceSync(ctx, messages...).FirstErr()
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func key(station uint16, rtu uint32, kind string, point uint32) []byte {
	return fmt.Appendf(nil, "%d/%d/%s/%d", station, rtu, kind, point)
}

// Delivered implements [export.Target].
func (t *target) Delivered() uint64 { return t.delivered }

// Committed implements [export.Target].
func (t *target) Committed(uint64) error { return nil }

// Close implements [export.Target].
func (t *target) Close() error {
	t.client.Close()
	return nil
}
