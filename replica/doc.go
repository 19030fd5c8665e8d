// Package replica is the seam between the replicated state and those who live from it: what a part of a node may ask of
// the state (view it, be woken when it grows, propose a command, hold a tenure), and nothing of how a group agrees.
//
// Package cluster implements it over Raft. Package replicatest implements it in memory, for the tests of the parts.
package replica
