package journal

import "slices"

const (
	ageMarks  = 64     // how finely age is told: events are kept for the time that is configured and a 64th of it
	maxAgeing = 60_000 // ms by which one command can make the journal's events older
)

// age is how old the journal's events are. Their own tags say when a device's clock thought that something happened, so it
// goes by the clocks of those who propose commands: forward only, and a minute a command at most, since one node whose clock
// is wrong must not make everything old at once.
type age struct {
	ms    int64
	marks []ageMark // ascending
}

// ageMark says how far the journal was at a time.
type ageMark struct {
	ms  int64
	seq uint64
}

// Aged takes note of the time, ms since 1970-01-01 UTC, and returns the number through which events have been here for longer
// than keepMs; 0: none has. keepMs 0: for ever.
func (j *Journal) Aged(nowMs, keepMs int64) (through uint64) {
	a := &j.age
	if keepMs == 0 {
		*a = age{}
		return 0
	}
	if a.ms == 0 {
		a.ms = nowMs
	}
	a.ms = max(a.ms, min(nowMs, a.ms+maxAgeing))
	if n := len(a.marks); n == 0 || j.last > a.marks[n-1].seq && a.ms >= a.marks[n-1].ms+max(1, keepMs/ageMarks) {
		a.marks = append(a.marks, ageMark{a.ms, j.last})
	}
	for len(a.marks) > 0 && a.marks[0].ms+keepMs <= a.ms {
		through = a.marks[0].seq
		a.marks = slices.Delete(a.marks, 0, 1)
	}
	return through
}
