package server

import (
	"net/http"

	"github.com/fepha/fepha/api/server/access"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

var (
	everybody = access.Rule{Open: true}
	strangers = access.Rule{Open: true, Body: access.MaxLogin} // who have yet to say who they are
	viewers   = access.Rule{Role: fsm.Viewer, Body: maxBody}
	operators = access.Rule{Role: fsm.Operator, Body: maxBody}
	engineers = access.Rule{Role: fsm.Engineer, Body: maxBody}
	admins    = access.Rule{Role: fsm.Admin, Body: maxBody}
)

// route is one thing that can be asked for.
type route struct {
	pattern string
	rule    access.Rule
	handler rest.Handler
}

// table is all that the API has. GETs change nothing; what changes something is a POST, and Guard.admit counts on that.
// README.md has the same table for people, and a test holds one to the other.
func (s *Server) table() []route {
	metrics := func(w http.ResponseWriter, r *http.Request) error {
		s.metrics.ServeHTTP(w, r)
		return nil
	}
	return []route{
		{"GET /livez", everybody, s.live},
		{"GET /readyz", everybody, s.ready},
		{"POST " + access.LoginPath, strangers, s.guard.Login},
		{"POST /v1/first-admin", strangers, s.guard.FirstAdmin},
		{"POST " + access.TakePath, strangers.WithBody(access.MaxTake), s.guard.Take},

		{"GET /v1/whoami", viewers.AndNodes(), s.guard.Whoami},
		{"POST /v1/logout", viewers, s.guard.Logout},
		{"POST /v1/password", viewers.WithBody(access.MaxLogin), s.guard.ChangePassword},
		{"GET /v1/status", viewers, s.status},
		{"GET /v1/live", viewers, s.streamLive},
		{"GET /v1/rtus", viewers, s.listRTUs},
		{"GET /v1/rtus/{number}", viewers, s.showRTU},
		{"GET /v1/rtus/{number}/points", viewers, s.listTable},
		{"GET /v1/rtus/{number}/controls", viewers, s.listOperable},
		{"GET /v1/rtus/{number}/strays", viewers, s.listStrays},
		{"GET /v1/rtus/{number}/files", viewers, s.listFiles},
		{"GET /v1/uplinks", viewers, s.listUplinks},
		{"GET /v1/uplinks/{name}/{group}", viewers, s.showUplink},
		{"GET /v1/points", viewers, s.listPoints},
		{"GET /v1/points/{rtu}/{kind}/{point}", viewers, s.showPoint},
		{"GET /v1/points/{rtu}/{kind}/{point}/trend", viewers, s.showTrend},
		{"GET /v1/conditions", viewers, s.listConditions},
		{"GET /v1/conditions/history", viewers, s.listGoneConditions},
		{"GET /v1/events", viewers, s.journal.ListEvents},
		{"GET /v1/events/stream", viewers, s.journal.StreamEvents},
		{"GET /v1/audit", viewers, s.journal.ListAudit},
		{"GET /v1/controls", viewers, s.listControls},
		{"GET /v1/controls/{id}", viewers, s.showControl},
		{"GET /v1/checks", viewers, s.listChecks},
		{"GET /v1/checks/{number}", viewers, s.showCheck},
		{"GET /v1/fnp", viewers, s.fnpStatus},
		{"GET /v1/fnp/table", viewers, s.listFNP},
		{"GET /v1/fnp/table/{id}", viewers, s.showFNP},
		{"GET /v1/fnp/messages", viewers, s.listFNPMessages},
		{"GET /v1/exports", viewers, s.listExports},
		{"GET /v1/config", viewers.AndNodes(), s.runningConfig},
		{"GET /v1/config/history", viewers, s.configHistory},
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
		{"POST /v1/exports/{name}/pause", operators, s.pauseExport},
		{"POST /v1/exports/{name}/resume", operators, s.resumeExport},
		{"POST /v1/exports/{name}/replay", operators, s.replayExport},
		{"POST /v1/checks/{number}", operators, s.startCheck},
		{"POST /v1/checks/{number}/tick", operators, s.tickPoint},
		{"POST /v1/checks/{number}/end", operators, s.endCheck},
		{"POST /v1/fnp/table/{id}/leave", operators, s.leaveFNP},
		{"POST /v1/fnp/send", operators, s.audited("send over FNP", s.sendFNP)},

		{"GET /v1/config/settings", engineers, s.configSettings},
		{"GET /v1/config/files", engineers, s.configFiles},
		{"POST /v1/config", engineers.WithBody(maxBundle), s.audited("apply a configuration", s.applyConfig)},
		{"POST /v1/uplinks/{name}/compare", operators.WithBody(maxPointList), s.compareList},
		{"POST /v1/nodes/{id}/maintenance", engineers, s.maintainNode},
		{"POST /v1/raft/snapshot", engineers, s.takeSnapshot},
		{"GET /v1/raft/snapshot", engineers, s.audited("download the state", s.downloadSnapshot)},
		{"POST /v1/raft/transfer", engineers, s.audited("transfer leadership", s.transferLeadership)},
		{"POST /v1/raft/add", engineers, s.audited("add a node", s.addPeer)},
		{"POST /v1/raft/remove", engineers, s.audited("remove a node", s.removePeer)},
		{"GET /v1/rtus/{number}/files/{name}", engineers, s.audited("read a device's file", s.getFile)},
		{"GET /v1/trace/rtu/{number}", engineers, s.audited("trace", s.traceRTU)},
		{"GET /v1/trace/rtu/{number}/capture", engineers, s.audited("trace", s.captureRTU)},
		{"GET /v1/trace/uplink/{name}/{group}", engineers, s.audited("trace", s.traceUplink)},
		{"GET /v1/trace/uplink/{name}/{group}/capture", engineers, s.audited("trace", s.captureUplink)},

		{"GET /v1/backups", engineers, s.listBackups},
		{"POST /v1/backups", engineers, s.audited("make a backup", s.makeBackup)},
		{"GET /v1/debug/bundle", engineers, s.audited("collect for debugging", s.inside.Serve)},

		{"POST /v1/raft/restore", admins.WithBody(maxSnapshot), s.audited("restore a state", s.restoreSnapshot)},
		{"GET /v1/users", admins, s.guard.ListUsers},
		{"POST /v1/users", admins, s.guard.AddUser},
		{"POST /v1/users/{name}", admins, s.guard.ChangeUser},
		{"POST /v1/users/{name}/remove", admins, s.guard.RemoveUser},
		{"GET /v1/tokens", admins, s.guard.ListTokens},
		{"POST /v1/tokens", admins, s.guard.CreateToken},
		{"POST /v1/tokens/{name}/revoke", admins, s.guard.RevokeToken},
		{"GET /v1/revoked", admins, s.guard.ListRevoked},
		{"POST /v1/revoked", admins, s.guard.RevokeCertificate},

		{"POST /v1/config/check", admins.NodesOnly().WithBody(maxBundle), s.checkConfig},
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
		mux.Handle(r.pattern, s.answer(s.guard.Authorise(r.rule, r.handler)))
	}
	return s.elsewhere(mux)
}

// maxAuditedPath is what the audit has of a request's path at most, octets.
const maxAuditedPath = 200

// audited makes the audit tell who asked for what h does, before it's done: for what has no command of its own, and for what
// shows what not everybody is to see.
func (s *Server) audited(action string, h rest.Handler) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		s.cfg.Node.ProposeAsync(&fsmpb.Command{Op: &fsmpb.Command_Audit{Audit: &fsmpb.Audit{
			Action: action, Origin: access.OriginOf(r), Resource: rest.Clip(r.URL.EscapedPath(), maxAuditedPath), Ok: true,
		}}})
		return h(w, r)
	}
}
