// Package lease is the lease protocol: what makes that at most one node of a station may act at any instant. LEASES.md in
// package cluster has the protocol and why it's safe.
//
// Its parts are pure functions of messages, clock readings and the replicated state. [Local] is a node's own side: the
// lease that it holds and the terms that it supports. [LeaderCore] is what a leader knows and decides in one term.
// Goroutines and messages are package cluster's. A model drives these very parts through thousands of simulated faults.
//
// Instants are readings of a node's own monotonic clock, as the time since an arbitrary origin; an instant of one node
// never meets one of another, only durations travel.
package lease
