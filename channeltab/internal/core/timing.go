package core

import (
	"fmt"
	"time"

	"github.com/fepha/fepha/channeltab/internal/wire"
)

// Timing holds the times and rates of both sides. The zero value of each field stands for its default.
type Timing struct {
	// RegisterEvery is how often a station registers. The centre tells its stations. Default 10 s.
	RegisterEvery time.Duration
	// Silence is how long a station may be unheard before it is made offline, and how long a new leader waits before
	// it judges any. At least twice RegisterEvery. Default 30 s.
	Silence time.Duration
	// RetryAfter is how long a station waits for the centre's answer before it asks again, elsewhere. Default 1 s.
	RetryAfter time.Duration
	// AckTimeout is how long a message waits for its acknowledgement before it is sent again. Default 300 ms.
	AckTimeout time.Duration
	// Resends is how often a message is sent again without any sign of its peer before the send fails. Default 8.
	Resends int
	// Tick is how often the centre sends from its table. Default 100 ms.
	Tick time.Duration
	// EntriesPerTick is how many entries of its round the centre sends a tick, besides those that changed. Default 50.
	EntriesPerTick int
	// MulticastRate bounds what the centre multicasts, in bit/s with the IP and UDP headers. Default 1,000,000.
	MulticastRate int
	// UnicastRate bounds what the centre sends of the table to single stations, likewise. Default 10,000,000.
	UnicastRate int
	// SaveEvery is how often a station saves its copy, if it has changed. Default 60 s.
	SaveEvery time.Duration
}

// WithDefaults fills in the defaults and refuses what can't work; the error wraps ErrConfig.
func (t Timing) WithDefaults() (Timing, error) {
	for _, f := range []struct {
		name     string
		value    *time.Duration
		standard time.Duration
		atLeast  time.Duration
		atMost   time.Duration
	}{
		{name: "RegisterEvery", value: &t.RegisterEvery, standard: 10 * time.Second, atLeast: 10 * time.Millisecond, atMost: time.Hour},
		{name: "Silence", value: &t.Silence, standard: 30 * time.Second, atLeast: 20 * time.Millisecond, atMost: 24 * time.Hour},
		{name: "RetryAfter", value: &t.RetryAfter, standard: time.Second, atLeast: 5 * time.Millisecond, atMost: time.Minute},
		{name: "AckTimeout", value: &t.AckTimeout, standard: 300 * time.Millisecond, atLeast: 5 * time.Millisecond, atMost: time.Minute},
		{name: "Tick", value: &t.Tick, standard: 100 * time.Millisecond, atLeast: 5 * time.Millisecond, atMost: 10 * time.Second},
		{name: "SaveEvery", value: &t.SaveEvery, standard: time.Minute, atLeast: 10 * time.Millisecond, atMost: 24 * time.Hour},
	} {
		if *f.value == 0 {
			*f.value = f.standard
		}
		if *f.value < f.atLeast || *f.value > f.atMost {
			return t, fmt.Errorf("%w: %s is %s, want %s to %s", wire.ErrConfig, f.name, *f.value, f.atLeast, f.atMost)
		}
	}
	for _, f := range []struct {
		name            string
		value           *int
		standard        int
		atLeast, atMost int
	}{
		{"Resends", &t.Resends, 8, 1, 1000},
		{"EntriesPerTick", &t.EntriesPerTick, 50, 1, 10000},
		{"MulticastRate", &t.MulticastRate, 1_000_000, 100_000, 1_000_000_000},
		{"UnicastRate", &t.UnicastRate, 10_000_000, 100_000, 1_000_000_000},
	} {
		if *f.value == 0 {
			*f.value = f.standard
		}
		if *f.value < f.atLeast || *f.value > f.atMost {
			return t, fmt.Errorf("%w: %s is %d, want %d to %d", wire.ErrConfig, f.name, *f.value, f.atLeast, f.atMost)
		}
	}
	if t.Silence < 2*t.RegisterEvery {
		return t, fmt.Errorf("%w: Silence is %s, want at least twice RegisterEvery, %s", wire.ErrConfig, t.Silence, 2*t.RegisterEvery)
	}
	return t, nil
}
