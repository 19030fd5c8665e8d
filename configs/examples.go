package configs

import "embed"

// Examples are whole stations: examples/station.yaml is one on loopback without keys, examples/secured/station.yaml one
// as it goes into service.
//
//go:embed examples
var Examples embed.FS
