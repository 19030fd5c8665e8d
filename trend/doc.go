// Package trend keeps the recent course of analogs: what the page plots of a point whose changes are no events. It is each node's
// own, on FEPs, sampled from the replicated image, once a second unless configured otherwise, and in no snapshot: a node that
// starts knows nothing of the past.
//
// Memory is bounded: for an hour at one a second 1,048,576 changes of 24 octets, 24 MiB, are kept for all points together, of
// another [Shape] in proportion. They last for its length while the station has up to 290 changes a period on average, at most one
// a period of each point; beyond that they last for less, and a reader is told from when on they are complete.
package trend
