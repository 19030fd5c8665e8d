//go:build race

package configs

// raceEnabled tells that times are several times longer.
const raceEnabled = true
