// Package pki makes the certificates with which the nodes of a station know each other: one certificate authority (CA) a
// station, one certificate a node.
//
// A node's certificate bears its id as common name and as DNS name, which is what nodes check, and its addresses, which
// is what browsers and tools check when they talk to its API. It serves both ends of a connection.
//
// Nothing here talks to a network or reads a configuration. Keys never leave the folder they're written to; files with
// keys are readable by their owner alone.
package pki
