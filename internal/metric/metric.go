// Package metric has every metric of fepha, so that docs/METRICS.md can be held to what a node exposes: what isn't defined
// by [Gauge], [Counter] or [Histogram] isn't exposed.
package metric

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Metric is one that is read at each scrape.
type Metric struct {
	Name   string // with prefix and suffix, such as fepha_panics_total
	Type   string // gauge, counter or histogram, as in the exposition format
	Help   string
	Labels []string

	desc *prometheus.Desc
}

// catalogue is filled while packages are initialised, and only read after that.
var catalogue []Metric

func define(name, kind, help string, labels ...string) Metric {
	m := Metric{Name: "fepha_" + name, Type: kind, Help: help, Labels: labels}
	m.desc = prometheus.NewDesc(m.Name, help, labels, nil)
	catalogue = append(catalogue, m)
	return m
}

// Gauge defines fepha_NAME, to be called while a package is initialised.
func Gauge(name, help string, labels ...string) Metric {
	return define(name, "gauge", help, labels...)
}

// Counter defines fepha_NAME_total, likewise.
func Counter(name, help string, labels ...string) Metric {
	return define(name+"_total", "counter", help, labels...)
}

// Distribution is a histogram that can be made more than once, such as in tests.
type Distribution struct {
	metric  Metric
	buckets []float64
}

// Histogram defines fepha_NAME, likewise.
func Histogram(name, help string, buckets ...float64) Distribution {
	return Distribution{define(name, "histogram", help), buckets}
}

// New makes the histogram.
func (d Distribution) New() prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: d.metric.Name, Help: d.metric.Help, Buckets: d.buckets})
}

// Sample is the metric's value for values of its labels.
func (m Metric) Sample(value float64, labels ...string) prometheus.Metric {
	kind := prometheus.GaugeValue
	if m.Type == "counter" {
		kind = prometheus.CounterValue
	}
	return prometheus.MustNewConstMetric(m.desc, kind, value, labels...)
}

// All are the metrics of the packages that the program has, by name.
func All() []Metric {
	return slices.SortedFunc(slices.Values(catalogue), func(a, b Metric) int { return strings.Compare(a.Name, b.Name) })
}

// Flag is 1 for true, else 0.
func Flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
