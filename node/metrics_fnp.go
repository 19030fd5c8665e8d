package node

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fepha/fepha/channeltab"
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
	fnpStations  = desc("fnp_stations", "Stations in the channel table.")
	fnpOnline    = desc("fnp_stations_online", "Stations in the channel table that are online.")
	fnpContested = desc("fnp_stations_contested", "Ids in the channel table that two stations claim.")
	fnpVersion   = desc("fnp_table_version", "Version of the channel table.")
	fnpListening = desc("fnp_centre_listening", "1 while this node's FNP address is there, else 0: it hears no station.")
	fnpDefers    = desc("fnp_centre_defers", "1 while this node leads the centre and defers to one of a higher level, else 0.")
	fnpRuns      = desc("fnp_endpoint_runs", "1 while the pair's endpoint runs on this node, else 0.")
	fnpDropped   = desc("fnp_dropped_total", "Datagrams that were dropped: of the centre since the node's start, of the endpoint since it runs here.", "part", "reason")
	fnpTotals    = func() map[string]*prometheus.Desc {
		descs := map[string]*prometheus.Desc{}
		for _, c := range fnpCounters {
			if c.reason == "" {
				descs[c.name] = desc("fnp_"+c.name+"_total", c.help, "part")
			}
		}
		return descs
	}()
)

// Describe implements prometheus.Collector. It tells nothing, since the metrics depend on the station.
func (*fnp) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (f *fnp) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v int) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v))
	}
	count := func(part string, s channeltab.Stats, ofStation bool) {
		for _, c := range fnpCounters {
			switch {
			case c.messages && !ofStation:
			case c.reason != "":
				ch <- prometheus.MustNewConstMetric(fnpDropped, prometheus.CounterValue, float64(c.get(s)), part, c.reason)
			default:
				ch <- prometheus.MustNewConstMetric(fnpTotals[c.name], prometheus.CounterValue, float64(c.get(s)), part)
			}
		}
	}
	st := f.centre.Status()
	gauge(fnpStations, st.Stations)
	gauge(fnpOnline, st.Online)
	gauge(fnpContested, st.Contested)
	gauge(fnpVersion, int(st.Version))
	gauge(fnpListening, truth(st.Listening))
	gauge(fnpDefers, truth(st.Deferring))
	count("centre", f.centre.Stats(), false)
	s, runs := f.station()
	if f.endpoint != nil {
		gauge(fnpRuns, truth(runs))
	}
	if runs {
		count("endpoint", s.Stats(), true)
	}
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}
