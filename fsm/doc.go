// Package fsm is the replicated state of a station: who owns which resource in which epoch, the journal of events, the
// image of points, the cursors of the uplink groups, every control, and what is wrong.
//
// It is a pure function of the log: [State.Apply] takes one entry, changes the state and says what became of each
// command. There is no I/O, no clock, no goroutine and no randomness in it; time comes in with the commands. Two states
// that were fed the same entries are equal, to the octet of their snapshots.
//
// What always holds:
//   - epochs of a resource only grow, and what bears an older one changes nothing;
//   - events and entries of the audit are numbered from 1 without gaps, and a number never means two things;
//   - a batch of events is applied once, however often it is proposed;
//   - a control is started once, and has exactly one final answer.
//
// A State has no locks: its owner lets many read or one write. [State.Snapshot] counts as a write, but what it returns
// may be written out while Apply goes on.
package fsm
