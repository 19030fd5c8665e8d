package mqtt_test

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
	"go.uber.org/goleak"

	"github.com/fepha/fepha/export"
	"github.com/fepha/fepha/export/exporttest"
	"github.com/fepha/fepha/export/mqtt"
	"github.com/fepha/fepha/internal/testneeds"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// broker is a mosquitto of the test's own, and a client that hears all it is told.
type broker struct {
	t       testing.TB
	port    string
	process *exporttest.Process

	mu     sync.Mutex
	seqs   []uint64
	topics map[string]string // newest message of each
}

func start(t testing.TB) *broker {
	mosquitto := testneeds.Program(t, "mosquitto", "/usr/sbin/mosquitto")
	dir, user := exporttest.FolderOfNobody(t)
	b := &broker{t: t, port: exporttest.FreePort(t), topics: map[string]string{}}
	conf := filepath.Join(dir, "mosquitto.conf")
	text := "listener " + b.port + " 127.0.0.1\nallow_anonymous true\npersistence true\nautosave_interval 1\nautosave_on_changes true\n" +
		"persistence_location " + dir + "/\nmax_queued_messages 0\n"
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	b.process = exporttest.Start(t, user, mosquitto, "-c", conf)
	b.ready()
	b.listen()
	return b
}

func (b *broker) driver(string) export.Driver {
	d, err := mqtt.New(mqtt.Config{
		Name: "test", Station: 21, URL: "mqtt://127.0.0.1:" + b.port, Topic: "metro/{station}/{rtu}/{kind}/{point}",
		Password: func() (string, error) { return "", nil },
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

func (b *broker) ready() {
	b.t.Helper()
	exporttest.Within(b.t, 20*time.Second, "mosquitto answers", func() bool { return b.driver("").Probe(context.Background()) == nil })
}

// listen hears everything, with a session that outlives a restart of the broker.
func (b *broker) listen() {
	ctx, cancel := context.WithCancel(context.Background())
	subscribed := make(chan struct{}, 1)
	m, err := autopaho.NewConnection(ctx, autopaho.ClientConfig{
		ServerUrls: []*url.URL{{Scheme: "mqtt", Host: "127.0.0.1:" + b.port}}, KeepAlive: 5, SessionExpiryInterval: 3600,
		ReconnectBackoff: func(int) time.Duration { return 100 * time.Millisecond },
		OnConnectionUp: func(m *autopaho.ConnectionManager, _ *paho.Connack) {
			if _, err := m.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "metro/#", QoS: 1}}}); err == nil {
				select {
				case subscribed <- struct{}{}:
				default:
				}
			}
		},
		ClientConfig: paho.ClientConfig{ClientID: "listener", OnPublishReceived: []func(paho.PublishReceived) (bool, error){b.hear}},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		cancel()
		<-m.Done()
	})
	<-subscribed
}

func (b *broker) hear(p paho.PublishReceived) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.topics[p.Packet.Topic] = string(p.Packet.Payload)
	if seq := p.Packet.Properties.User.Get("seq"); seq != "" {
		n, _ := strconv.ParseUint(seq, 10, 64)
		b.seqs = append(b.seqs, n)
	}
	return true, nil
}

func (b *broker) heard() []uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]uint64(nil), b.seqs...)
}

func (b *broker) newest(topic string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.topics[topic]
}

func TestFaults(t *testing.T) {
	b := start(t)
	exporttest.Faults(t, exporttest.Server{
		Driver: b.driver,
		Seqs:   b.heard,
		Stop:   func() { b.process.Stop(15) }, // its disk has what it acknowledged only after it was asked to end
		Start: func() {
			b.process.Restart()
			b.ready()
		},
	})
}

func TestValuesBirthAndDeath(t *testing.T) {
	b := start(t)
	x := exporttest.New(t, true, false)
	x.Run("fep1", export.Export{Driver: b.driver(""), Values: time.Second, States: true})
	x.Assign(t, exporttest.Resource, "fep1")
	const status = "metro/21/fepha/test"
	online := func(node string, on bool) func() bool {
		return func() bool {
			var s struct {
				Online bool
				Node   string
			}
			return json.Unmarshal([]byte(b.newest(status)), &s) == nil && s.Online == on && s.Node == node
		}
	}
	exporttest.Within(t, 20*time.Second, "birth", online("fep1", true))
	x.Analog(7, 110.5)
	exporttest.Within(t, 20*time.Second, "the last value", func() bool {
		var v struct{ Value float64 }
		return json.Unmarshal([]byte(b.newest("metro/21/1/ai/7/value")), &v) == nil && v.Value == 110.5
	})
	x.Happen(1)
	exporttest.Within(t, 20*time.Second, "an event, with its text", func() bool {
		return strings.Contains(b.newest("metro/21/1/di/2"), `"quality":"good"`)
	})
	x.Run("fep2", export.Export{Driver: b.driver("")})
	x.Move(t, exporttest.Resource, "fep2")
	exporttest.Within(t, 20*time.Second, "birth of the other", online("fep2", true))
	x.End("fep2")
	exporttest.Within(t, 20*time.Second, "death", online("fep2", false))
}
