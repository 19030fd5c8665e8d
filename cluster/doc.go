// Package cluster is the Raft node: it orders the station's commands, decides who owns each resource, and proves it.
//
// It never talks to devices, control centres or Redis, never interprets a value, and never decides what a command
// means: that is package fsm's. It's the only importer of hashicorp/raft.
//
// What always holds:
//
//   - A command's [replica.Result] is handed out only after its entry was committed by a quorum and applied by the leader.
//   - At most one node of a station holds a valid [replica.Tenure] of a resource at any instant, whatever the network, the
//     processes and the (monotonic) clocks do, as long as clock rates stay within 1 %. LEASES.md says why.
//   - A tenure that has ended never becomes valid again, even if the same node gets the resource back.
//   - [Node.Close] returns after every goroutine of the node has ended.
//
// The rules of leases (lease.go) and of placement (placement.go) are deterministic: clock readings and messages in,
// decisions out. Sockets, timers and goroutines stand around them, and a model drives the same code through thousands
// of simulated faults.
package cluster
