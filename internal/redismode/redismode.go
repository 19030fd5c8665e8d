// Package redismode names where the view in Redis is published, for the configuration and for who publishes it.
package redismode

// Mode is where the view is published, as station.yaml writes it.
type Mode string

// The modes.
const (
	Off      Mode = "off"      // nowhere
	Embedded Mode = "embedded" // an in-process server of each FEP, in its memory: some 700 octets a point
	PerNode  Mode = "per-node" // each FEP's own server: it gets everything, and what isn't of the state is removed from it
	Shared   Mode = "shared"   // one server for all nodes: each RTU's owner writes
)
