package kafka_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/fepha/fepha/export"
	"github.com/fepha/fepha/export/exporttest"
	"github.com/fepha/fepha/export/kafka"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster is the library's own test broker: no other can be had as a Debian package. It speaks the protocol over real
// sockets, and keeps producers' sequences.
func cluster(t testing.TB) (brokers []string) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, "events"), kfake.SeedTopics(1, "events-values"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()
}

// records reads so many records of a topic.
func records(t testing.TB, brokers []string, topic string, n int) (all []*kgo.Record) {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for len(all) < n && ctx.Err() == nil {
		all = append(all, c.PollFetches(ctx).Records()...)
	}
	return all
}

func header(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

func TestFaults(t *testing.T) {
	brokers := cluster(t)
	total := 0
	exporttest.Faults(t, exporttest.Server{
		Driver: func(string) export.Driver { return kafka.New(kafka.Config{Brokers: brokers, Topic: "events"}) },
		Seqs: func() (seqs []uint64) {
			total = max(total, 10_000)
			for _, r := range records(t, brokers, "events", total) {
				seq, err := strconv.ParseUint(header(r, "seq"), 10, 64)
				if err != nil || header(r, "station") != "21" {
					t.Fatalf("%v: %v", r, err)
				}
				seqs = append(seqs, seq)
			}
			return seqs
		},
	})
}

// Values go to a topic of their own, keyed by point, so that a compacted one keeps the newest of each.
func TestValues(t *testing.T) {
	brokers := cluster(t)
	x := exporttest.New(t, true, false)
	x.Run("fep1", export.Export{Driver: kafka.New(kafka.Config{Brokers: brokers, Topic: "events"}), Values: time.Second})
	x.Assign(t, exporttest.Resource, "fep1")
	x.Analog(7, 110.5)
	if got := records(t, brokers, "events-values", 1); len(got) != 1 || string(got[0].Key) != "21/1/ai/7" {
		t.Errorf("%v", got)
	}
}

func TestNobodyAnswers(t *testing.T) {
	x := exporttest.New(t, true, false)
	x.Run("fep1", export.Export{Driver: kafka.New(kafka.Config{Brokers: []string{"127.0.0.1:" + exporttest.FreePort(t)}, Topic: "events"})})
	x.Assign(t, exporttest.Resource, "fep1")
	exporttest.Within(t, 30*time.Second, "the reason is told", func() bool { return x.Export().Reach["fep1"].Reason != "" })
	t.Log(x.Export().Reach["fep1"].Reason)
}
