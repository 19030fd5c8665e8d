package node

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fepha/fepha/acquisition"
	"github.com/fepha/fepha/forwarder"
	"github.com/fepha/fepha/internal/metric"
)

// fepCollector reads the counters of a FEP's two sides at each scrape.
type fepCollector struct {
	acquisition func() []acquisition.Counters
	forwarder   func() []forwarder.UplinkStats
}

var (
	rtuConnections     = metric.Counter("acquisition_connections", "Connections made to the RTU, for use or to be held.", "rtu")
	rtuFailures        = metric.Counter("acquisition_connection_failures", "Attempts to connect to the RTU that failed.", "rtu")
	rtuStarts          = metric.Counter("acquisition_starts", "Links of the RTU that were started.", "rtu")
	rtuLosses          = metric.Counter("acquisition_losses", "Connections to the RTU that ended against this node's will.", "rtu")
	rtuInterrogations  = metric.Counter("acquisition_interrogations", "Interrogations of the RTU that ended well.", "rtu")
	rtuASDUs           = metric.Counter("acquisition_asdus", "ASDUs received from the RTU.", "rtu")
	rtuValues          = metric.Counter("acquisition_values", "Values of the RTU that were proposed.", "rtu")
	rtuControls        = metric.Counter("acquisition_controls", "Controls for the RTU that this node took on.", "rtu")
	rtuControlsRefused = metric.Counter("acquisition_controls_refused", "Controls for the RTU that ended with a negative answer.", "rtu")
	rtuFaults          = metric.Counter("acquisition_device_faults", "What the RTU did that it should not, by kind.", "rtu", "kind")
	rtuTroubles        = metric.Counter("acquisition_troubles", "The former name of fepha_acquisition_device_faults_total, for one release.", "rtu", "kind")

	uplinkListening = metric.Gauge("uplink_listening", "1 while this node accepts clients of the uplink, else 0.", "uplink")
	uplinkAccepted  = metric.Counter("uplink_clients_accepted", "Clients that were let in.", "uplink")
	uplinkRefused   = metric.Counter("uplink_clients_refused", "Connections that were closed before any exchange.", "uplink", "reason")
	uplinkClosed    = metric.Counter("uplink_clients_closed", "Connections that have ended.", "uplink", "reason")
	uplinkOctets    = metric.Counter("uplink_octets", "Octets to and from clients.", "uplink", "direction")
	uplinkMalformed = metric.Counter("uplink_malformed", "ASDUs of clients that were rejected.", "uplink")
	groupStarts     = metric.Counter("uplink_starts", "Links of the group that were started on this node.", "uplink", "group")
	groupEvents     = metric.Counter("uplink_events_sent", "Events sent to the group by this node, repeats included.", "uplink", "group")
	groupAnalogs    = metric.Counter("uplink_analogs_sent", "Changes of analogs sent to the group by this node.", "uplink", "group")
	groupAnswered   = metric.Counter("uplink_interrogated_values", "Values sent as an answer to an interrogation by this node.", "uplink", "group")
	groupPosition   = metric.Gauge("uplink_position", "Last event acknowledged, as this node knows.", "uplink", "group")
)

// Describe implements prometheus.Collector. It tells nothing, since the metrics
// depend on the station.
func (fepCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c fepCollector) Collect(ch chan<- prometheus.Metric) {
	count := func(m metric.Metric, n uint64, labels ...string) { ch <- m.Sample(float64(n), labels...) }
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
		ch <- uplinkListening.Sample(metric.Flag(u.Listening), u.Name)
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
			ch <- groupPosition.Sample(float64(g.Position), u.Name, g.Name)
		}
	}
}
