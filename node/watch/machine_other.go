//go:build !linux

package watch

// ClockSynchronised is not known on other systems.
func ClockSynchronised() (synchronised, known bool) { return false, false }

func used() (u usage, known bool) { return u, false }
