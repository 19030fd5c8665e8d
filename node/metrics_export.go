package node

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fepha/fepha/export"
)

var (
	exportRecords = desc("export_records_total", "Records that this node has written to the export's target, repeats included.", "export")
	exportValues  = desc("export_values_total", "Values that this node has written to the export's target.", "export")
	exportErrors  = desc("export_errors_total", "Attempts of this node to write to the export's target that failed.", "export")
)

// exportCollector reads what this node has exported at each scrape.
type exportCollector struct{ exports *export.Manager }

// Describe implements prometheus.Collector. It tells nothing, since the metrics
// depend on the station.
func (exportCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c exportCollector) Collect(ch chan<- prometheus.Metric) {
	for s := range c.exports.Stats() {
		for d, n := range map[*prometheus.Desc]uint64{exportRecords: s.Records, exportValues: s.Values, exportErrors: s.Errors} {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), s.Name)
		}
	}
}
