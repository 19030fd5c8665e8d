package rtdb

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fepha/fepha/internal/metric"
)

// Stats are counts since the start, and how things are now.
type Stats struct {
	Complete  bool          // the whole view is in Redis, and followed
	LastError string        // why it isn't; "" if it is, or nothing was tried yet
	Outages   uint64        // times that the view could not be kept up
	Full      uint64        // times that everything was written
	FullTook  time.Duration // the last time
	Index     uint64        // log index of the state that the view shows
	Written   uint64        // keys
	Removed   uint64        // keys that were no longer of the state
	Refused   uint64        // batches that the server did not let in since it knows a newer owner; mode shared

	Requests RequestStats
}

// RequestStats count the requests of ctl:req by what this node answered.
type RequestStats struct {
	Taken   uint64 // read; one that is read again counts again
	OK      uint64
	Failed  uint64
	Refused uint64
}

// counters is Stats while it changes.
type counters struct {
	complete                  atomic.Bool
	outages, full, index      atomic.Uint64
	fullTook                  atomic.Int64 // ns
	written, removed, refused atomic.Uint64

	taken, ok, failed, refusedRequests atomic.Uint64
}

// Stats returns them.
func (p *Publisher) Stats() Stats {
	c := &p.counts
	return Stats{
		Complete: c.complete.Load(), LastError: p.outage.reason(), Outages: c.outages.Load(),
		Full: c.full.Load(), FullTook: time.Duration(c.fullTook.Load()), Index: c.index.Load(),
		Written: c.written.Load(), Removed: c.removed.Load(), Refused: c.refused.Load(),
		Requests: RequestStats{
			Taken: c.taken.Load(), OK: c.ok.Load(), Failed: c.failed.Load(), Refused: c.refusedRequests.Load(),
		},
	}
}

var (
	descComplete = metric.Gauge("redis_complete", "1 while the whole view is in Redis and followed, else 0.")
	descOutages  = metric.Counter("redis_outages", "Times that the view in Redis could not be kept up.")
	descFull     = metric.Counter("redis_full", "Times that the whole view was written.")
	descFullTook = metric.Gauge("redis_full_seconds", "How long the whole view took to write the last time.")
	descIndex    = metric.Gauge("redis_index", "Log index of the state that the view shows.")
	descWritten  = metric.Counter("redis_written", "Keys written to Redis.")
	descRemoved  = metric.Counter("redis_removed", "Keys removed from Redis since they were no longer of the state.")
	descRefused  = metric.Counter("redis_refused", "Batches that the server did not let in since it knows a newer owner.")
	descTaken    = metric.Counter("redis_requests", "Requests for controls that were taken from Redis.")
	descAnswers  = metric.Counter("redis_answers", "Requests for controls that were answered.", "result")
)

// Describe implements [prometheus.Collector].
func (p *Publisher) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(p, ch) }

// Collect implements [prometheus.Collector].
func (p *Publisher) Collect(ch chan<- prometheus.Metric) {
	s := p.Stats()
	gauge := func(m metric.Metric, v float64) { ch <- m.Sample(v) }
	counter := func(m metric.Metric, v uint64, labels ...string) { ch <- m.Sample(float64(v), labels...) }
	gauge(descComplete, metric.Flag(s.Complete))
	gauge(descFullTook, s.FullTook.Seconds())
	gauge(descIndex, float64(s.Index))
	counter(descOutages, s.Outages)
	counter(descFull, s.Full)
	counter(descWritten, s.Written)
	counter(descRemoved, s.Removed)
	counter(descRefused, s.Refused)
	counter(descTaken, s.Requests.Taken)
	counter(descAnswers, s.Requests.OK, string(resultOK))
	counter(descAnswers, s.Requests.Failed, string(resultFailed))
	counter(descAnswers, s.Requests.Refused, string(resultRefused))
}
