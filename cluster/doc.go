// Package cluster is the Raft node: it orders the station's commands, decides who owns each resource, and proves it. It
// implements [replica.Owner].
//
// It never talks to devices, control centres or Redis, never interprets a value, and never decides what a command
// means: that is package fsm's. It's the only importer of hashicorp/raft.
//
// What always holds:
//
//   - A command's [replica.Result] is handed out only after its entry was committed by a quorum and applied by the leader.
//   - At most one node of a station holds a valid [replica.Tenure] of a resource at any instant, whatever the network, the
//     processes and the (monotonic) clocks do, as long as clock rates stay within 1 %. LEASES.md says why.
//   - A Tenure that has ended never becomes valid again, even if the same node gets the resource back.
//   - [Node.Close] returns after every goroutine of the node has ended.
//
// # Map
//
// A part is given what it needs when it's made, and never knows Node. So each file uses only files below it in this list;
// a test holds them to that.
//
//	info.go          what a node tells of itself and its group: Info, Metrics
//	api.go           what a node can be asked for, most of it as package replica says
//	node.go          Start, Close; makes the parts and gives them what they need
//	service.go       what this node answers to the others over gRPC
//	admin.go         members added and removed, leadership transferred by hand
//	watchdog.go      ends a node that can't go on: disk or commits hang
//	leaserequest.go  asks the leader for this node's lease
//	peertable.go     what the leader tells of the members
//	leadership.go    begins and ends leader terms as Raft says that this node leads
//	leaderterm.go    what a leader does in one term: raise the feature level, declare, decide, commit
//	grants.go        evidence that a leader gathers in its term, and the leases that it grants on it
//	termlog.go       entries that count in the leader's term only
//	overdue.go       controls that nobody has ended in time
//	election.go      who leads: campaigns without delay, transfers; Raft's slow operations get deadlines
//	route.go         one way to a leader, here or elsewhere
//	proposer.go      carries commands to the leader, in order, again if need be
//	tenure.go        the right to run live links, and its end at the very instant
//	declarations.go  the configuration that this node has, and what it makes of another one in force
//	revocation.go    who may not connect any more
//	statemachine.go  the replicated state under its lock
//	group.go         who belongs to the group, where they are, how far they were, who votes, who leads
//	config.go        what Start needs to know; errors
//	timing.go        all timeouts, from the one in the configuration; the clock
//	broadcast.go     waking those who wait
//
// Below them are internal/lease (the lease protocol, pure, with its model), internal/placement (who owns what, pure),
// internal/raftio (port, transport, data folder) and clusterpb (what nodes say to each other).
package cluster
