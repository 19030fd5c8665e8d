package api

import "time"

// How long a node takes at most for an answer. A client waits a little longer,
// to be told why it took so long.
// ZoneHeader of an answer is the station's time zone, an IANA name.
const ZoneHeader = "Fepha-Time-Zone"

const (
	ProposeTimeout  = 10 * time.Second  // for the station to decide
	ControlTimeout  = 60 * time.Second  // the longest deadline of a control
	ExpireTimeout   = 5 * time.Second   // for the state to end a control once its deadline has passed
	SendTimeout     = 120 * time.Second // the longest wait for a station of FNP to acknowledge
	ConfigTimeout   = 2 * time.Minute   // for all nodes to check and keep a configuration
	SnapshotTimeout = 10 * time.Minute  // to send a snapshot, or to take one up
)
