package node

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fepha/fepha/export"
	"github.com/fepha/fepha/internal/metric"
)

var (
	exportRecords = metric.Counter("export_records", "Records that this node has written to the export's target, repeats included.", "export")
	exportValues  = metric.Counter("export_values", "Values that this node has written to the export's target.", "export")
	exportErrors  = metric.Counter("export_errors", "Attempts of this node to write to the export's target that failed.", "export")
)

// exportCollector reads what this node has exported at each scrape.
type exportCollector struct{ exports *export.Manager }

// Describe implements prometheus.Collector. It tells nothing, since the metrics
// depend on the station.
func (exportCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c exportCollector) Collect(ch chan<- prometheus.Metric) {
	for s := range c.exports.Stats() {
		ch <- exportRecords.Sample(float64(s.Records), s.Name)
		ch <- exportValues.Sample(float64(s.Values), s.Name)
		ch <- exportErrors.Sample(float64(s.Errors), s.Name)
	}
}
