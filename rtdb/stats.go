package rtdb

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
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
	descComplete = prometheus.NewDesc("fepha_redis_complete", "1 while the whole view is in Redis and followed, else 0.", nil, nil)
	descOutages  = prometheus.NewDesc("fepha_redis_outages_total", "Times that the view in Redis could not be kept up.", nil, nil)
	descFull     = prometheus.NewDesc("fepha_redis_full_total", "Times that the whole view was written.", nil, nil)
	descFullTook = prometheus.NewDesc("fepha_redis_full_seconds", "How long that took the last time.", nil, nil)
	descIndex    = prometheus.NewDesc("fepha_redis_index", "Log index of the state that the view shows.", nil, nil)
	descWritten  = prometheus.NewDesc("fepha_redis_written_total", "Keys written.", nil, nil)
	descRemoved  = prometheus.NewDesc("fepha_redis_removed_total", "Keys removed since they were no longer of the state.", nil, nil)
	descRefused  = prometheus.NewDesc("fepha_redis_refused_total", "Batches that the server did not let in since it knows a newer owner.", nil, nil)
	descTaken    = prometheus.NewDesc("fepha_redis_requests_total", "Requests for controls that were taken from Redis.", nil, nil)
	descAnswers  = prometheus.NewDesc("fepha_redis_answers_total", "Requests for controls that were answered.", []string{"result"}, nil)
)

// Describe implements [prometheus.Collector].
func (p *Publisher) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(p, ch) }

// Collect implements [prometheus.Collector].
func (p *Publisher) Collect(ch chan<- prometheus.Metric) {
	s := p.Stats()
	complete := 0.0
	if s.Complete {
		complete = 1
	}
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(descComplete, complete)
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
