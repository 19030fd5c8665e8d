package node

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fepha/fepha/channeltab"
	"github.com/fepha/fepha/internal/metric"
)

// fnpCounter is a counter of a centre's node, of a station, or of both. A reason is why a datagram was dropped.
type fnpCounter struct {
	name, reason, help string
	messages           bool // of a station alone
	get                func(channeltab.Stats) uint64
}

var fnpCounters = []fnpCounter{
	{"received", "", "Datagrams received.", false, func(s channeltab.Stats) uint64 { return s.Received }},
	{"sent", "", "Datagrams sent.", false, func(s channeltab.Stats) uint64 { return s.Sent }},
	{"multicast", "", "Datagrams that were multicast.", false, func(s channeltab.Stats) uint64 { return s.Multicast }},
	{"multicast_octets", "", "Octets that were multicast, with IP and UDP headers.", false, func(s channeltab.Stats) uint64 { return s.MulticastOctets }},
	{"unsent", "", "Datagrams that the system would not send.", false, func(s channeltab.Stats) uint64 { return s.Unsent }},
	{"malformed", "malformed", "", false, func(s channeltab.Stats) uint64 { return s.Malformed }},
	{"wrong_key", "wrong key", "", false, func(s channeltab.Stats) uint64 { return s.WrongKey }},
	{"replayed", "replayed", "", false, func(s channeltab.Stats) uint64 { return s.Replayed }},
	{"no_contact", "no contact", "", false, func(s channeltab.Stats) uint64 { return s.NoContact }},
	{"stale", "stale", "", false, func(s channeltab.Stats) uint64 { return s.Stale }},
	{"misplaced", "misplaced", "", false, func(s channeltab.Stats) uint64 { return s.Misplaced }},
	{"resent", "", "Messages that were sent again by timeout.", true, func(s channeltab.Stats) uint64 { return s.Resent }},
	{"acknowledged", "", "Messages sent and acknowledged.", true, func(s channeltab.Stats) uint64 { return s.Acknowledged }},
	{"failed", "", "Messages sent and not acknowledged.", true, func(s channeltab.Stats) uint64 { return s.Failed }},
	{"delivered", "", "Messages received.", true, func(s channeltab.Stats) uint64 { return s.Delivered }},
	{"duplicates", "", "Fragments of messages that had been delivered.", true, func(s channeltab.Stats) uint64 { return s.Duplicates }},
	{"overflow", "", "Fragments for which there was no room.", true, func(s channeltab.Stats) uint64 { return s.Overflow }},
}

// fnpCounts are the counters by name, for the API.
func fnpCounts(s channeltab.Stats, ofStation bool) map[string]uint64 {
	counts := make(map[string]uint64, len(fnpCounters))
	for _, c := range fnpCounters {
		if ofStation || !c.messages {
			counts[c.name] = c.get(s)
		}
	}
	return counts
}

var (
	fnpStations  = metric.Gauge("fnp_stations", "Stations in the channel table.")
	fnpOnline    = metric.Gauge("fnp_stations_online", "Stations in the channel table that are online.")
	fnpContested = metric.Gauge("fnp_stations_contested", "Ids in the channel table that two stations claim.")
	fnpVersion   = metric.Gauge("fnp_table_version", "Version of the channel table.")
	fnpListening = metric.Gauge("fnp_centre_listening", "1 while this node's FNP address is there, else 0: it hears no station.")
	fnpDefers    = metric.Gauge("fnp_centre_defers", "1 while this node leads the centre and defers to one of a higher level, else 0.")
	fnpRuns      = metric.Gauge("fnp_endpoint_runs", "1 while the pair's endpoint runs on this node, else 0.")
	fnpDropped   = metric.Counter("fnp_dropped", "Datagrams that were dropped: of the centre since the node's start, of the endpoint since it runs here.", "part", "reason")
	fnpTotals    = func() map[string]metric.Metric {
		descs := map[string]metric.Metric{}
		for _, c := range fnpCounters {
			if c.reason == "" {
				descs[c.name] = metric.Counter("fnp_"+c.name, c.help, "part")
			}
		}
		return descs
	}()
)

// Describe implements prometheus.Collector. It tells nothing, since the metrics depend on the station.
func (*fnp) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (f *fnp) Collect(ch chan<- prometheus.Metric) {
	gauge := func(m metric.Metric, v float64) { ch <- m.Sample(v) }
	count := func(part string, s channeltab.Stats, ofStation bool) {
		for _, c := range fnpCounters {
			switch {
			case c.messages && !ofStation:
			case c.reason != "":
				ch <- fnpDropped.Sample(float64(c.get(s)), part, c.reason)
			default:
				ch <- fnpTotals[c.name].Sample(float64(c.get(s)), part)
			}
		}
	}
	st := f.centre.Status()
	gauge(fnpStations, float64(st.Stations))
	gauge(fnpOnline, float64(st.Online))
	gauge(fnpContested, float64(st.Contested))
	gauge(fnpVersion, float64(st.Version))
	gauge(fnpListening, metric.Flag(st.Listening))
	gauge(fnpDefers, metric.Flag(st.Deferring))
	count("centre", f.centre.Stats(), false)
	s, runs := f.station()
	if f.endpoint != nil {
		gauge(fnpRuns, metric.Flag(runs))
	}
	if runs {
		count("endpoint", s.Stats(), true)
	}
}
