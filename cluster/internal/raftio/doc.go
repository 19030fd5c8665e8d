// Package raftio is what a Raft node stands on: its port and the connections to the others (Mux, TLS), Raft's transport
// behind guards (Transport), and the data folder (Folder) with its log, its snapshots and a checksum over all of it.
//
// It knows nothing of leases, owners or the state. What the library is known to do wrong is kept from doing harm here; each
// guard names its issue.
package raftio
