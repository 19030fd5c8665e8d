package lease

// Probes are the voters with a probe that has had no answer yet; true if it's time for the next one. Each has one at a
// time: a leader that's heard and doesn't hear does no good by probing on, since each voter that it reaches makes a
// successor wait longer.
type Probes map[string]bool

// Begin tells whether a voter may be probed now; if not, End will say that it's due.
func (p Probes) Begin(voter string) bool {
	_, busy := p[voter]
	p[voter] = busy
	return !busy
}

// End is told of an answer, or that there's none.
func (p Probes) End(voter string) (due bool) {
	due = p[voter]
	delete(p, voter)
	return due
}
