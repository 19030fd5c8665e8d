// Package mqtt exports to an MQTT 5 broker.
package mqtt

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
	"golang.org/x/sync/errgroup"

	"github.com/fepha/fepha/export"
)

// Config says where the broker is, and which topics are used.
type Config struct {
	Name     string // of the export
	Station  uint16
	URL      string // mqtt://host:port or mqtts://user@host:port
	Password func() (string, error)
	TLS      func() *tls.Config // of mqtts; asked at each connection
	Topic    string             // of a record; {station}, {rtu}, {kind} and {point} stand for its own
}

// connectTimeout bounds an attempt to connect, and a look whether the broker can be reached.
const connectTimeout = 10 * time.Second

// underWay is how many messages wait for their acknowledgement at a time.
const underWay = 64

// sessionTaken is the reason code with which a broker ends a session that another has taken over (MQTT 5, 4.13).
const sessionTaken = 0x8e

// Driver implements [export.Driver].
type Driver struct {
	cfg    Config
	url    *url.URL
	prefix string // of the topics of what the export says of itself
}

// New makes a driver. Errors are of the URL.
func New(cfg Config) (*Driver, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || u.Scheme != "mqtt" && u.Scheme != "mqtts" {
		return nil, errors.New("url: expected mqtt://host:port or mqtts://host:port")
	}
	topic := strings.ReplaceAll(cfg.Topic, "{station}", strconv.Itoa(int(cfg.Station)))
	prefix, _, _ := strings.Cut(topic, "{")
	return &Driver{cfg: cfg, url: u, prefix: strings.TrimSuffix(prefix, "/")}, nil
}

// Probe implements [export.Driver]: it looks whether the broker's port answers. To log in would take the owner's session.
func (d *Driver) Probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	dial := new(net.Dialer).DialContext
	if d.url.Scheme == "mqtts" {
		dial = (&tls.Dialer{Config: d.cfg.TLS()}).DialContext
	}
	conn, err := dial(ctx, "tcp", d.address())
	if err != nil {
		return err
	}
	return conn.Close()
}

func (d *Driver) address() string {
	if d.url.Port() == "" {
		return d.url.Host + map[string]string{"mqtt": ":1883", "mqtts": ":8883"}[d.url.Scheme]
	}
	return d.url.Host
}

// Open implements [export.Driver]. Both FEPs use the same client id, so the broker ends the session of a former owner.
func (d *Driver) Open(ctx context.Context, start export.Start) (export.Target, error) {
	password, err := d.cfg.Password()
	if err != nil {
		return nil, err
	}
	connected, giveUp := context.WithTimeout(ctx, connectTimeout)
	defer giveUp()
	t := &target{driver: d, node: start.Node, lost: make(chan error, 1), delivered: start.After}
	status := d.prefix + "/fepha/" + d.cfg.Name
	id := fmt.Sprintf("fepha-%d-%s", d.cfg.Station, d.cfg.Name)
	cfg := autopaho.ClientConfig{
		ServerUrls:      []*url.URL{{Scheme: d.url.Scheme, Host: d.address()}},
		KeepAlive:       10,
		ConnectTimeout:  connectTimeout,
		ConnectUsername: d.url.User.Username(),
		ConnectPassword: []byte(password),
		WillMessage:     &paho.WillMessage{Topic: status, Payload: t.status(false), QoS: 1, Retain: true},
		OnConnectError: func(err error) {
			t.end(plainly(err))
			giveUp()
		},
		OnConnectionUp: func(m *autopaho.ConnectionManager, _ *paho.Connack) {
			publish, cancel := context.WithTimeout(ctx, connectTimeout)
			defer cancel()
			if _, err := m.Publish(publish, &paho.Publish{Topic: status, Payload: t.status(true), QoS: 1, Retain: true}); err != nil {
				t.end(err)
			}
		},
		OnConnectionDown: func() bool { t.end(errors.New("the connection to the broker is lost")); return false },
		ClientConfig: paho.ClientConfig{
			ClientID:      id,
			PacketTimeout: connectTimeout,
			OnServerDisconnect: func(p *paho.Disconnect) {
				reason := fmt.Sprintf("the broker has ended the session: reason code 0x%02x", p.ReasonCode)
				if p.ReasonCode == sessionTaken {
					reason = "another client has taken over the session " + id
				}
				t.end(errors.New(reason))
			},
		},
	}
	if d.cfg.TLS != nil {
		cfg.TlsCfg = d.cfg.TLS()
	}
	// It must outlive ctx's deadline if it has one: Close ends it.
	if t.manager, err = autopaho.NewConnection(context.WithoutCancel(ctx), cfg); err != nil {
		return nil, err
	}
	if err = t.manager.AwaitConnection(connected); err != nil {
		select {
		case err = <-t.lost:
		default:
			err = errors.New("no answer from the broker")
		}
		_ = t.Close()
		return nil, err
	}
	return t, nil
}

// plainly says an error of a connection without the broker's URL.
func plainly(err error) error {
	var refused *autopaho.ConnackError
	if errors.As(err, &refused) {
		return fmt.Errorf("the broker refuses the connection: reason code 0x%02x %s", refused.ReasonCode, refused.Reason)
	}
	return err
}

type target struct {
	driver    *Driver
	node      string
	manager   *autopaho.ConnectionManager
	lost      chan error // 1 long: why the connection is of no use any more
	delivered uint64
}

func (t *target) end(err error) {
	select {
	case t.lost <- err:
	default:
	}
}

// status is what the export says of itself, kept by the broker: birth, and the will.
func (t *target) status(online bool) []byte {
	b, err := json.Marshal(map[string]any{"station": t.driver.cfg.Station, "export": t.driver.cfg.Name, "online": online, "node": t.node})
	if err != nil {
		panic(err)
	}
	return b
}

func (t *target) topic(rtu uint32, kind string, point uint32) string {
	return strings.NewReplacer(
		"{station}", strconv.Itoa(int(t.driver.cfg.Station)), "{rtu}", strconv.FormatUint(uint64(rtu), 10),
		"{kind}", kind, "{point}", strconv.FormatUint(uint64(point), 10),
	).Replace(t.driver.cfg.Topic)
}

// Write implements [export.Target]: it returns when the broker has acknowledged all.
func (t *target) Write(ctx context.Context, records []export.Record) error {
	messages := make([]*paho.Publish, len(records))
	for i := range records {
		r := &records[i]
		messages[i] = &paho.Publish{
			Topic: t.topic(r.RTU, r.Kind, r.Point), QoS: 1, Payload: r.JSON(),
			Properties: &paho.PublishProperties{ContentType: "application/json", User: paho.UserProperties{
				{Key: "station", Value: strconv.Itoa(int(r.Station))}, {Key: "seq", Value: strconv.FormatUint(r.Seq, 10)},
			}},
		}
	}
	if err := t.publish(ctx, messages); err != nil {
		return err
	}
	t.delivered = records[len(records)-1].Seq
	return nil
}

// WriteValues implements [export.ValueTarget]: the broker keeps the last value of each point, below /value.
func (t *target) WriteValues(ctx context.Context, values []export.Value) error {
	messages := make([]*paho.Publish, len(values))
	for i := range values {
		v := &values[i]
		messages[i] = &paho.Publish{
			Topic: t.topic(v.RTU, v.Kind, v.Point) + "/value", QoS: 1, Retain: true, Payload: v.JSON(),
			Properties: &paho.PublishProperties{ContentType: "application/json"},
		}
	}
	return t.publish(ctx, messages)
}

// publish sends messages in their order, some of them under way at a time, and waits for all acknowledgements.
func (t *target) publish(ctx context.Context, messages []*paho.Publish) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case err := <-t.lost:
			t.end(err) // for the next one who asks
			cancel(err)
		case <-done:
		}
	}()
	var group errgroup.Group
	group.SetLimit(underWay)
	for _, m := range messages {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			answer, err := t.manager.Publish(ctx, m)
			if err == nil && answer != nil && answer.ReasonCode >= 0x80 {
				err = fmt.Errorf("the broker refuses a message to %s: reason code 0x%02x", m.Topic, answer.ReasonCode)
			}
			if err != nil {
				cancel(err)
			}
			return err
		})
	}
	err := group.Wait()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return err
}

// Delivered implements [export.Target].
func (t *target) Delivered() uint64 { return t.delivered }

// Committed implements [export.Target].
func (t *target) Committed(uint64) error { return nil }

// Close implements [export.Target]. It says so where the connection still is: the broker sends no will then.
func (t *target) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = t.manager.Publish(ctx, &paho.Publish{Topic: t.driver.prefix + "/fepha/" + t.driver.cfg.Name, Payload: t.status(false), QoS: 1, Retain: true})
	return t.manager.Disconnect(ctx)
}
