// Package repeats finds out which events of a device are a repetition of what is committed already.
//
// A device repeats what it has not had acknowledged, from the first of it on and in its order, on the next link that is started. Of that
// the beginning may be committed: the former owner had no time to acknowledge it. What is committed is in order too, without gaps, so
// that part is the end of what the journal has of the device. Therefore the events since a start are held against the end of
// the journal: only where they are, one after the other up to the journal's last one, what the journal ends with, are they taken for
// repeated. Point, value, quality and time tag count, octet by octet.
//
// It is safe: what is dropped is in the journal, at the same place of the same order, and nothing of the device is after it. Were it
// no repetition, the device would have had the same states at the same milliseconds in the same order twice, which tells nobody anything.
// It is not complete: where what the journal has isn't what the device sent, since points chatter, are blocked, or are told late, events
// come twice as they did before.
package repeats

import "slices"

// Event is what tells an event from another of its device.
type Event struct {
	Point     uint32
	Kind      uint8
	Type      uint8
	Quality   uint8
	Transient bool
	Elapsed   uint16 // ms
	Value     uint64 // its bits
	Time      uint64 // octets of the time tag
}

// Filter holds the events since a start against the end of the journal. The zero Filter takes none for repeated.
type Filter struct {
	tail func() []Event // what the journal ends with; nil: nothing is expected

	known    []Event
	begins   []int // places in known where what was held may begin
	held     int   // events that wait for the decision
	complete int   // of them those that reach the journal's end
}

// Expect begins anew with the next event. tail is called then, once.
func (f *Filter) Expect(tail func() []Event) { *f = Filter{tail: tail} }

// Waiting tells whether events wait for the decision.
func (f *Filter) Waiting() bool { return f.held > 0 }

// See takes the next event. hold says that it waits with those before it. With decided all waiting ones are decided, this one too if it's
// held: the first of them, repeated of them, are a repetition.
func (f *Filter) See(e Event) (hold, decided bool, repeated int) {
	switch {
	case f.tail != nil:
		f.known, f.tail = f.tail(), nil
		for i := range f.known {
			f.begins = append(f.begins, i)
		}
	case f.held == 0:
		return false, false, 0
	}
	f.begins = slices.DeleteFunc(f.begins, func(i int) bool { return f.known[i+f.held] != e })
	if len(f.begins) == 0 {
		decided, repeated = f.held > 0, f.complete
		*f = Filter{}
		return false, decided, repeated
	}
	f.held++
	f.begins = slices.DeleteFunc(f.begins, func(i int) bool {
		if i+f.held == len(f.known) {
			f.complete = f.held
			return true
		}
		return false
	})
	if len(f.begins) > 0 {
		return true, false, 0
	}
	repeated = f.complete
	*f = Filter{}
	return true, true, repeated
}

// Decide ends the wait, and says how many of the waiting ones are a repetition.
func (f *Filter) Decide() (repeated int) {
	repeated = f.complete
	*f = Filter{}
	return repeated
}
