// Package configs reads a station's configuration: station.yaml and the point tables (CSV) that it names.
//
// Load checks everything and reports every error at once, each with file, line, column and what was expected. It opens
// no socket, starts no goroutine, and reads no file that the configuration doesn't name; keys, certificates and
// passwords are named but never read.
//
// What always holds for a *Station that Load returned: every default is filled in, numbers and addresses are unique,
// every reference (RTU, point, node, uplink, group) leads to something, tables are sorted, and nobody changes it: it
// may be shared between goroutines.
package configs

import "embed"

// Examples are whole stations: examples/station.yaml is one on loopback without keys, examples/secured/station.yaml one
// as it goes into service.
//
//go:embed examples
var Examples embed.FS
