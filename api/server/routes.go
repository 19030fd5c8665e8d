package server

import (
	"net/http"

	"github.com/fepha/fepha/fsm"
)

// access says who may use a route, and how much may be sent to it.
type access struct {
	open  bool     // nothing about the station is told there, so anybody may ask
	role  fsm.Role // the least one
	nodes bool     // the other nodes may ask too
	only  bool     // and nobody else
	body  int64    // octets that a request's body may have
}

var (
	everybody = access{open: true}
	strangers = access{open: true, body: maxLogin} // who have yet to say who they are
	viewers   = access{role: fsm.Viewer, body: maxBody}
	operators = access{role: fsm.Operator, body: maxBody}
	engineers = access{role: fsm.Engineer, body: maxBody}
	admins    = access{role: fsm.Admin, body: maxBody}
)

func (a access) andNodes() access           { a.nodes = true; return a }
func (a access) nodesOnly() access          { a.nodes, a.only = true, true; return a }
func (a access) withBody(most int64) access { a.body = most; return a }

// least is the role that the table in the README has for it.
func (a access) least() string {
	switch {
	case a.open:
		return "nobody"
	case a.only:
		return "node"
	case a.nodes:
		return a.role.String() + ", node"
	}
	return a.role.String()
}

// route is one thing that can be asked for.
type route struct {
	pattern string
	access  access
	handler handler
}

// table is all that the API has. GETs change nothing; what changes something is a POST, and guard.admit counts on that.
// README.md has the same table for people, and a test holds one to the other.
func (s *Server) table() []route {
	metrics := func(w http.ResponseWriter, r *http.Request) error {
		s.metrics.ServeHTTP(w, r)
		return nil
	}
	return []route{
		{"GET /livez", everybody, s.live},
		{"GET /readyz", everybody, s.ready},
		{"POST " + loginPath, strangers, s.login},

		{"GET /v1/whoami", viewers.andNodes(), s.whoami},
		{"POST /v1/logout", viewers, s.logout},
		{"POST /v1/password", viewers.withBody(maxLogin), s.changePassword},
		{"GET /v1/status", viewers, s.status},
		{"GET /v1/live", viewers, s.streamLive},
		{"GET /v1/rtus", viewers, s.listRTUs},
		{"GET /v1/rtus/{number}", viewers, s.showRTU},
		{"GET /v1/rtus/{number}/points", viewers, s.listTable},
		{"GET /v1/rtus/{number}/controls", viewers, s.listOperable},
		{"GET /v1/rtus/{number}/strays", viewers, s.listStrays},
		{"GET /v1/uplinks", viewers, s.listUplinks},
		{"GET /v1/uplinks/{name}/{group}", viewers, s.showUplink},
		{"GET /v1/points", viewers, s.listPoints},
		{"GET /v1/points/{rtu}/{kind}/{point}", viewers, s.showPoint},
		{"GET /v1/conditions", viewers, s.listConditions},
		{"GET /v1/conditions/history", viewers, s.listGoneConditions},
		{"GET /v1/events", viewers, s.listEvents},
		{"GET /v1/events/stream", viewers, s.streamEvents},
		{"GET /v1/audit", viewers, s.listAudit},
		{"GET /v1/controls", viewers, s.listControls},
		{"GET /v1/controls/{id}", viewers, s.showControl},
		{"GET /v1/fnp", viewers, s.fnpStatus},
		{"GET /v1/fnp/table", viewers, s.listFNP},
		{"GET /v1/fnp/table/{id}", viewers, s.showFNP},
		{"GET /v1/fnp/messages", viewers, s.listFNPMessages},
		{"GET /v1/config", viewers.andNodes(), s.runningConfig},
		{"GET /v1/raft", viewers, s.raftStatus},
		{"GET /v1/raft/peers", viewers, s.raftPeers},
		{"GET /metrics", viewers, metrics},

		{"POST /v1/rtus/rebalance", operators, s.rebalance},
		{"POST /v1/rtus/{number}/failover", operators, s.failoverRTU},
		{"POST /v1/rtus/{number}/pin", operators, s.pinRTU},
		{"POST /v1/rtus/{number}/unpin", operators, s.unpinRTU},
		{"POST /v1/uplinks/{name}/{group}/release", operators, s.releaseUplink},
		{"POST /v1/conditions/{id}/ack", operators, s.ackCondition},
		{"POST /v1/controls", operators, s.submitControl},
		{"POST /v1/points/{rtu}/{kind}/{point}/block", operators, s.blockPoint},
		{"POST /v1/points/{rtu}/{kind}/{point}/substitute", operators, s.substitutePoint},
		{"POST /v1/points/{rtu}/{kind}/{point}/release", operators, s.releasePoint},
		{"POST /v1/fnp/table/{id}/leave", operators, s.leaveFNP},
		{"POST /v1/fnp/send", operators, s.audited("send over FNP", s.sendFNP)},

		{"POST /v1/config", engineers.withBody(maxBundle), s.audited("apply a configuration", s.applyConfig)},
		{"POST /v1/nodes/{id}/maintenance", engineers, s.maintainNode},
		{"POST /v1/raft/snapshot", engineers, s.takeSnapshot},
		{"GET /v1/raft/snapshot", engineers, s.audited("download the state", s.downloadSnapshot)},
		{"POST /v1/raft/transfer", engineers, s.audited("transfer leadership", s.transferLeadership)},
		{"POST /v1/raft/add", engineers, s.audited("add a node", s.addPeer)},
		{"POST /v1/raft/remove", engineers, s.audited("remove a node", s.removePeer)},
		{"GET /v1/trace/rtu/{number}", engineers, s.audited("trace", s.traceRTU)},
		{"GET /v1/trace/rtu/{number}/capture", engineers, s.audited("trace", s.captureRTU)},
		{"GET /v1/trace/uplink/{name}/{group}", engineers, s.audited("trace", s.traceUplink)},
		{"GET /v1/trace/uplink/{name}/{group}/capture", engineers, s.audited("trace", s.captureUplink)},

		{"POST /v1/raft/restore", admins.withBody(maxSnapshot), s.audited("restore a state", s.restoreSnapshot)},
		{"GET /v1/users", admins, s.listUsers},
		{"POST /v1/users", admins, s.addUser},
		{"POST /v1/users/{name}", admins, s.changeUser},
		{"POST /v1/users/{name}/remove", admins, s.removeUser},
		{"GET /v1/tokens", admins, s.listTokens},
		{"POST /v1/tokens", admins, s.createToken},
		{"POST /v1/tokens/{name}/revoke", admins, s.revokeToken},
		{"GET /v1/revoked", admins, s.listRevoked},
		{"POST /v1/revoked", admins, s.revokeCertificate},

		{"POST /v1/config/stage", admins.nodesOnly().withBody(maxBundle), s.stageConfig},
	}
}

// page is the files of the web page.
func (s *Server) page() (routes []route) {
	for _, file := range pageFiles() {
		routes = append(routes, route{"GET " + file.Route, everybody, s.servePage(file)})
	}
	return routes
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for _, r := range append(s.table(), s.page()...) {
		mux.Handle(r.pattern, s.authorise(r.access, r.handler))
	}
	return s.elsewhere(mux)
}
