package api

import "time"

// DebugTimeout is how long a node may take to tell of its inside, and MaxProfile for how many seconds of that it may be asked to
// measure the processor's use.
const (
	DebugTimeout = 2 * time.Minute
	MaxProfile   = 60
)
