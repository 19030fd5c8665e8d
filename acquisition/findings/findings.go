// Package findings takes what an RTU's owner finds wrong between the device and its configuration, and reports it as the
// station's conditions: counted, once a second at most, and taken back when the device shows that it is over.
package findings

import (
	"sync"
	"time"

	"github.com/fepha/fepha/condition"
)

// Every is how often what was found again is reported again: the reporter takes its time too.
const Every = time.Second

// Findings are those of one RTU. Their methods may be called from any goroutine.
type Findings struct {
	reporter condition.Reporter
	resource string
	rouse    func() // has the owner call Tick when Deadline says

	mu     sync.Mutex
	by     map[*condition.Kind]*finding
	failed map[Asked]failure
}

type finding struct {
	count   uint64 // since it came
	values  []string
	told    time.Time
	waits   bool   // it was seen since it was told
	atClean uint64 // count when the device last answered an interrogation; see Answered
}

// New makes the findings about a resource. rouse has the owner call Tick when Deadline says.
func New(reporter condition.Reporter, resource string, rouse func()) *Findings {
	return &Findings{reporter: reporter, resource: resource, rouse: rouse, by: map[*condition.Kind]*finding{}, failed: map[Asked]failure{}}
}

// Saw counts n cases of something wrong; values are those of its newest case.
func (f *Findings) Saw(k *condition.Kind, n int, values ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.by[k]
	if c == nil {
		c = &finding{}
		f.by[k] = c
	}
	c.count += uint64(n)
	now := time.Now()
	if now.Sub(c.told) < Every {
		if !c.waits {
			c.waits = true
			f.rouse()
		}
		return
	}
	c.values = condition.Values(values...)
	f.tell(k, c, now)
}

func (f *Findings) tell(k *condition.Kind, c *finding, now time.Time) {
	c.told, c.waits = now, false
	f.reporter.Set(condition.Report{Kind: k, Resource: f.resource, Values: c.values, Count: c.count})
}

// Deadline is when Tick has something to say; zero: not before the next case.
func (f *Findings) Deadline() (at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.by {
		if due := c.told.Add(Every); c.waits && (at.IsZero() || due.Before(at)) {
			at = due
		}
	}
	return at
}

// Tick reports what waits if its time has come.
func (f *Findings) Tick(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, c := range f.by {
		if c.waits && now.Sub(c.told) >= Every {
			f.tell(k, c, now)
		}
	}
}

// ofInterrogation are those that a device shows when it answers an interrogation, if it ever does.
var ofInterrogation = []*condition.Kind{
	condition.CommonAddress, condition.UnknownAddress, condition.OtherType, condition.UnknownType,
}

// Answered takes note that the device has answered an interrogation. What was not seen from one to the next, or before the
// first one, is over.
func (f *Findings) Answered() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range ofInterrogation {
		c := f.by[k]
		switch {
		case c == nil:
			f.reporter.Clear(k, f.resource)
		case c.count == c.atClean:
			f.reporter.Clear(k, f.resource)
			delete(f.by, k)
		default:
			c.atClean = c.count
		}
	}
}

// Interrogation takes note of how an interrogation went: nil is well. Each is asked for apart, and each kind of failure is
// one condition: that of the values comes first.
func (f *Findings) Interrogation(what Asked, kind *condition.Kind, answer string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed[what] = failure{kind, answer}
	for _, k := range []*condition.Kind{condition.InterrogationRefused, condition.InterrogationUnanswered, condition.InterrogationIncomplete} {
		holds := false
		for _, what := range []Asked{ForValues, ForCounters} {
			if c := f.failed[what]; c.kind == k && !holds {
				holds = true
				f.reporter.Set(condition.Report{Kind: k, Resource: f.resource, Values: condition.Values(what, c.answer)[:len(k.Params)]})
			}
		}
		if !holds {
			f.reporter.Clear(k, f.resource)
		}
	}
}

// failure is how an interrogation failed; without a kind it went well.
type failure struct {
	kind   *condition.Kind
	answer string
}

// State sets or clears a condition that either holds or doesn't.
func (f *Findings) State(k *condition.Kind, holds bool, values ...any) {
	if !holds {
		f.reporter.Clear(k, f.resource)
		return
	}
	f.reporter.Set(condition.Report{Kind: k, Resource: f.resource, Values: condition.Values(values...)})
}

// Asked is what a device is asked for, in the words of the conditions.
type Asked string

// What a device is asked for.
const (
	ForValues   Asked = condition.Interrogation
	ForCounters Asked = condition.CounterInterrogation
)
