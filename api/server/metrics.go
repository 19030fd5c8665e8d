package server

import (
	"log/slog"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/internal/loglimit"
	"github.com/fepha/fepha/internal/metric"
	"github.com/fepha/fepha/internal/panics"
	"github.com/fepha/fepha/replica"
)

// newMetrics answers /metrics from a registry of the server's own.
func (s *Server) newMetrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), nodeCollector{s})
	registry.MustRegister(s.cfg.Collectors...)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.ContinueOnError, // rather all but one than none
		MaxRequestsInFlight: 4,
	})
}

// The API itself.
var (
	buildInfo          = metric.Gauge("build_info", "1, with the release, the commit and its date of the program.", "version", "revision", "date")
	logLeftOut         = metric.Counter("log_left_out", "Lines that were left out of this node's log, since whoever may connect can cause them without end.")
	apiStrangersClosed = metric.Counter("api_strangers_closed", "Connections to this node's API that had shown nobody's certificate or token, and were closed for others.")
	apiRefused         = metric.Counter("api_refused", "Requests to this node's API that were refused to their caller.")
	apiStreams         = metric.Gauge("api_streams", "Streams of events and frames that are open.")
	caughtPanics       = metric.Counter("panics", "Faults of the program that cost one request, link, datagram or log entry alone: please report them.", "of")
)

// The replicated state. It is the same on all nodes, so alerts need to ask one.
var (
	nodeAlive       = metric.Gauge("node_alive", "1 while the leader hears of the node, else 0.", "peer", "role")
	journalFirst    = metric.Gauge("journal_first", "Number of the oldest event that is kept.")
	journalLast     = metric.Gauge("journal_last", "Number of the newest event.")
	points          = metric.Gauge("points", "Points that have a value.")
	rtuOnline       = metric.Gauge("rtu_online", "1 while the RTU is on some channel of some FEP, else 0.", "rtu")
	rtuOwner        = metric.Gauge("rtu_owner", "1 for the node that owns the RTU, else 0.", "rtu", "owner")
	rtuEpoch        = metric.Gauge("rtu_epoch", "Epoch of the RTU's ownership: it grows with each change of owner.", "rtu")
	linkState       = metric.Gauge("link_state", "State of an RTU's link on a FEP: 0 down, 1 connecting, 2 standby, 3 active.", "rtu", "channel", "link", "fep")
	uplinkOwner     = metric.Gauge("uplink_owner", "1 for the node that owns the uplink's group, else 0.", "uplink", "group", "owner")
	uplinkEpoch     = metric.Gauge("uplink_epoch", "Epoch of the group's ownership.", "uplink", "group")
	uplinkClients   = metric.Gauge("uplink_clients", "Clients of the group that are connected.", "uplink", "group", "role")
	uplinkCursor    = metric.Gauge("uplink_cursor", "Last event that the group has acknowledged.", "uplink", "group")
	uplinkBacklog   = metric.Gauge("uplink_backlog", "Events that the group has not acknowledged yet.", "uplink", "group")
	uplinkDropped   = metric.Counter("uplink_dropped", "Events that were dropped before the group acknowledged them.", "uplink", "group")
	exportOwner     = metric.Gauge("export_owner", "1 for the node that owns the export, else 0.", "export", "owner")
	exportCursor    = metric.Gauge("export_cursor", "Last record that the export's target has.", "export")
	exportBacklog   = metric.Gauge("export_backlog", "Records that the export's target doesn't have yet.", "export")
	exportDropped   = metric.Counter("export_dropped", "Records that were dropped before the export's target had them.", "export")
	exportReach     = metric.Gauge("export_reach", "1 while the FEP can reach the export's target, else 0.", "export", "fep")
	controlsPending = metric.Gauge("controls_pending", "Controls that are not done.")
	conditionHolds  = metric.Gauge("condition", "1 for each condition that there is; docs/OPERATIONS.md tells of each.", "id", "severity")
)

// nodeCollector reads the group and the state at each scrape.
type nodeCollector struct{ s *Server }

// Describe implements prometheus.Collector. It tells nothing, since the metrics
// depend on the station.
func (nodeCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c nodeCollector) Collect(ch chan<- prometheus.Metric) {
	set := func(m metric.Metric, value float64, labels ...string) {
		ch <- m.Sample(value, labels...)
	}
	c.s.collectNode(set)
	// What is read is sent on after View: whoever scrapes may be slow.
	type sample struct {
		m      metric.Metric
		value  float64
		labels []string
	}
	var samples []sample
	info := c.s.cfg.Node.Info()
	c.s.cfg.Node.View(func(state *fsm.State) {
		collect := func(m metric.Metric, value float64, labels ...string) {
			samples = append(samples, sample{m, value, labels})
		}
		collectState(state, collect)
		for _, cond := range c.s.conditions(state, info) {
			collect(conditionHolds, 1, cond.ID, cond.Severity)
		}
	})
	for _, x := range samples {
		set(x.m, x.value, x.labels...)
	}
}

func (s *Server) collectNode(set func(m metric.Metric, value float64, labels ...string)) {
	set(buildInfo, 1, s.cfg.Build.Version, s.cfg.Build.Revision, s.cfg.Build.Date)
	set(logLeftOut, float64(loglimit.LeftOut()))
	set(apiStrangersClosed, float64(s.guard.StrangersClosed()))
	for where, n := range panics.Counts() {
		set(caughtPanics, float64(n), where)
	}
	set(apiRefused, float64(s.guard.Refused()))
	set(apiStreams, float64(s.streams.Open()))
	for _, p := range s.cfg.Node.Info().Peers {
		set(nodeAlive, metric.Flag(p.Alive), p.ID, string(p.Role))
	}
}

func collectState(state *fsm.State, set func(m metric.Metric, value float64, labels ...string)) {
	set(journalFirst, float64(state.JournalFirst()))
	set(journalLast, float64(state.JournalLast()))
	set(points, float64(state.PointCount()))
	var feps []string
	for _, n := range state.Nodes() {
		if n.Role == string(replica.RoleFEP) {
			feps = append(feps, n.ID)
		}
	}
	pending := 0
	for _, rtu := range state.RTUs() {
		number := strconv.FormatUint(uint64(rtu.Number), 10)
		res, _ := state.Resource(fsm.RTUResource(rtu.Number))
		set(rtuOnline, metric.Flag(rtu.Online), number)
		set(rtuEpoch, float64(res.Epoch), number)
		for _, fep := range feps {
			set(rtuOwner, metric.Flag(res.Owner == fep), number, fep)
			collectLinks(state, rtu, fep, set)
		}
		pending += len(state.PendingControls(rtu.Number))
	}
	set(controlsPending, float64(pending))
	for _, g := range state.Groups() {
		res, _ := state.Resource(g.Resource)
		for _, fep := range feps {
			set(uplinkOwner, metric.Flag(res.Owner == fep), g.Uplink, g.Name, fep)
		}
		roles := map[string]int{"main": 0, "standby": 0, "held": 0, fsm.RoleWaiting: 0}
		for _, c := range g.Clients {
			roles[c.Role]++
		}
		for role, n := range roles {
			set(uplinkClients, float64(n), g.Uplink, g.Name, role)
		}
		set(uplinkEpoch, float64(res.Epoch), g.Uplink, g.Name)
		set(uplinkCursor, float64(g.Cursor), g.Uplink, g.Name)
		set(uplinkBacklog, float64(g.Backlog), g.Uplink, g.Name)
		set(uplinkDropped, float64(g.Dropped), g.Uplink, g.Name)
	}
	for _, e := range state.Exports() {
		res, _ := state.Resource(e.Resource)
		for _, fep := range feps {
			set(exportOwner, metric.Flag(res.Owner == fep), e.Name, fep)
			set(exportReach, metric.Flag(e.Reach[fep].OK), e.Name, fep)
		}
		set(exportCursor, float64(e.Cursor), e.Name)
		set(exportBacklog, float64(e.Backlog), e.Name)
		set(exportDropped, float64(e.Dropped), e.Name)
	}
}

// collectLinks tells the state of each link of an RTU on a FEP; one that the
// FEP does not report is down.
func collectLinks(state *fsm.State, rtu fsm.RTU, fep string, set func(m metric.Metric, value float64, labels ...string)) {
	states := map[[2]uint32]fsm.LinkState{}
	for _, l := range state.Links(rtu.Number, fep) {
		states[[2]uint32{l.Channel, l.Link}] = l.State
	}
	for c, n := range rtu.Links {
		for l := range n {
			id := [2]uint32{uint32(c + 1), uint32(l + 1)}
			set(linkState, float64(states[id]), strconv.FormatUint(uint64(rtu.Number), 10), strconv.Itoa(c+1), strconv.Itoa(l+1), fep)
		}
	}
}
