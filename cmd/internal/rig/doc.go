// Package rig sets up a whole station on this machine out of real processes:
// three nodes of the fepha binary with their data on disk, and around them the
// simulated devices and control centre, which judge it. `fepha dev`, the
// end-to-end tests and fepha-bench stand on it.
package rig
