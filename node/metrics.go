package node

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fepha/fepha/acquisition"
	"github.com/fepha/fepha/forwarder"
)

// fepCollector reads the counters of a FEP's two sides at each scrape.
type fepCollector struct {
	acquisition func() []acquisition.Counters
	forwarder   func() []forwarder.UplinkStats
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("fepha_"+name, help, labels, nil)
}

var (
	rtuConnections     = desc("acquisition_connections_total", "Connections made to the RTU, for use or to be held.", "rtu")
	rtuFailures        = desc("acquisition_connection_failures_total", "Attempts to connect to the RTU that failed.", "rtu")
	rtuStarts          = desc("acquisition_starts_total", "Links of the RTU that were started.", "rtu")
	rtuLosses          = desc("acquisition_losses_total", "Connections to the RTU that ended against this node's will.", "rtu")
	rtuInterrogations  = desc("acquisition_interrogations_total", "Interrogations of the RTU that ended well.", "rtu")
	rtuASDUs           = desc("acquisition_asdus_total", "ASDUs received from the RTU.", "rtu")
	rtuValues          = desc("acquisition_values_total", "Values of the RTU that were proposed.", "rtu")
	rtuControls        = desc("acquisition_controls_total", "Controls for the RTU that this node took on.", "rtu")
	rtuControlsRefused = desc("acquisition_controls_refused_total", "Controls for the RTU that ended with a negative answer.", "rtu")
	rtuFaults          = desc("acquisition_device_faults_total", "What the RTU did that it should not, by kind.", "rtu", "kind")
	rtuTroubles        = desc("acquisition_troubles_total", "The former name of fepha_acquisition_device_faults_total, for one release.", "rtu", "kind")

	uplinkListening = desc("uplink_listening", "1 while this node accepts clients of the uplink, else 0.", "uplink")
	uplinkAccepted  = desc("uplink_clients_accepted_total", "Clients that were let in.", "uplink")
	uplinkRefused   = desc("uplink_clients_refused_total", "Connections that were closed before any exchange.", "uplink", "reason")
	uplinkClosed    = desc("uplink_clients_closed_total", "Connections that have ended.", "uplink", "reason")
	uplinkOctets    = desc("uplink_octets_total", "Octets to and from clients.", "uplink", "direction")
	uplinkMalformed = desc("uplink_malformed_total", "ASDUs of clients that were rejected.", "uplink")
	groupStarts     = desc("uplink_starts_total", "Links of the group that were started on this node.", "uplink", "group")
	groupEvents     = desc("uplink_events_sent_total", "Events sent to the group by this node, repeats included.", "uplink", "group")
	groupAnalogs    = desc("uplink_analogs_sent_total", "Changes of analogs sent to the group by this node.", "uplink", "group")
	groupAnswered   = desc("uplink_interrogated_values_total", "Values sent as an answer to an interrogation by this node.", "uplink", "group")
	groupPosition   = desc("uplink_position", "Last event acknowledged, as this node knows.", "uplink", "group")
)

// Describe implements prometheus.Collector. It tells nothing, since the metrics
// depend on the station.
func (fepCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c fepCollector) Collect(ch chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, r := range c.acquisition() {
		rtu := strconv.FormatUint(uint64(r.RTU), 10)
		count(rtuConnections, r.Connected, rtu)
		count(rtuFailures, r.Failed, rtu)
		count(rtuStarts, r.Started, rtu)
		count(rtuLosses, r.Lost, rtu)
		count(rtuInterrogations, r.Interrogations, rtu)
		count(rtuASDUs, r.ASDUs, rtu)
		count(rtuValues, r.Items, rtu)
		count(rtuControls, r.Controls, rtu)
		count(rtuControlsRefused, r.ControlsRefused, rtu)
		for kind, n := range r.Faults {
			count(rtuFaults, n, rtu, kind)
			count(rtuTroubles, n, rtu, kind)
		}
	}
	for _, u := range c.forwarder() {
		listening := 0.0
		if u.Listening {
			listening = 1
		}
		gauge(uplinkListening, listening, u.Name)
		count(uplinkAccepted, u.Server.Accepted, u.Name)
		for reason, n := range u.Server.Refused {
			count(uplinkRefused, n, u.Name, reason)
		}
		for reason, n := range u.Server.Closed {
			count(uplinkClosed, n, u.Name, reason)
		}
		count(uplinkOctets, u.Server.SentOctets, u.Name, "sent")
		count(uplinkOctets, u.Server.ReceivedOctets, u.Name, "received")
		count(uplinkMalformed, u.Server.Malformed, u.Name)
		for _, g := range u.Groups {
			count(groupStarts, g.Starts, u.Name, g.Name)
			count(groupEvents, g.Events, u.Name, g.Name)
			count(groupAnalogs, g.Analogs, u.Name, g.Name)
			count(groupAnswered, g.Interrogated, u.Name, g.Name)
			gauge(groupPosition, float64(g.Position), u.Name, g.Name)
		}
	}
}
