package bystander

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"
)

// Patience is how long a bystander may be left without, faults included: after each fault the station is whole again within that time.
const Patience = 30 * time.Second

// maxWrongs is how many of the things that may never happen are kept word by word.
const maxWrongs = 5

// An Account is what a bystander asked for and what became of it. Its methods may be called from several goroutines.
type Account struct {
	Name string

	mu      sync.Mutex
	done    map[string]uint64
	good    uint64
	last    time.Time // when it last got what it wants; at first when it began
	longest time.Duration
	wrongs  []string
	wrong   int
}

// newAccount begins one.
func newAccount(name string, now time.Time) *Account {
	return &Account{Name: name, done: map[string]uint64{}, last: now}
}

// did counts something that may happen.
func (a *Account) did(what string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done[what]++
}

// got counts something that it wants to happen, at now.
func (a *Account) got(what string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done[what]++
	a.good++
	a.longest = max(a.longest, now.Sub(a.last))
	a.last = now
}

// never notes something that may never happen.
func (a *Account) never(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.wrong++; a.wrong <= maxWrongs {
		a.wrongs = append(a.wrongs, fmt.Sprintf(format, args...))
	}
}

// end closes the account: what it waits for at now is a silence too.
func (a *Account) end(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.longest = max(a.longest, now.Sub(a.last))
}

// Done is how often what happened.
func (a *Account) Done() map[string]uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.done)
}

// Longest is the longest time that it was left without what it wants.
func (a *Account) Longest() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.longest
}

// Wrong is how much happened that may never happen.
func (a *Account) Wrong() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.wrong
}

// Judge is an error if something happened that may never happen, or if the bystander was left without for too long.
func (a *Account) Judge() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var errs []error
	for _, w := range a.wrongs {
		errs = append(errs, fmt.Errorf("%s: %s", a.Name, w))
	}
	if more := a.wrong - len(a.wrongs); more > 0 {
		errs = append(errs, fmt.Errorf("%s: and %d more", a.Name, more))
	}
	switch {
	case a.good == 0:
		errs = append(errs, fmt.Errorf("%s: never got what it wants: %v", a.Name, a.done))
	case a.longest > Patience:
		errs = append(errs, fmt.Errorf("%s: left without for %v, expected at most %v", a.Name, a.longest.Round(time.Millisecond), Patience))
	}
	return errors.Join(errs...)
}
