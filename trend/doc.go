// Package trend keeps the recent course of analogs: what the page plots of a point whose changes are no events. It is each node's
// own, on FEPs, sampled from the replicated image once a second, and in no snapshot: a node that starts knows nothing of the past.
//
// Memory is bounded: [Samples] changes of 24 octets, 24 MiB, are kept for all points together. They last for an hour ([Span])
// while the station has up to 290 changes a second on average, at most one a second of each point; beyond that they last
// for less, and a reader is told from when on they are complete.
package trend
