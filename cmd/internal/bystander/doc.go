// Package bystander has the good neighbours of a station that would be the first to suffer if hostile ones took what isn't theirs: two
// stations of the FNP network, an operator, and a reader of the view in Redis. Each keeps an account of what it asked for and what
// became of it, which judges the station: what may never happen, and how long it was left without.
//
// A good device and a good control centre are those of package sim.
package bystander
