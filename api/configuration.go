package api

// ConfigStatus is what a node runs.
type ConfigStatus struct {
	Node    string `json:"node"`
	Digest  string `json:"digest"`   // of its configuration
	InForce string `json:"in_force"` // digest of the group's, as far as this node knows
}

// ConfigReply is what an Apply has done, or a dry run would do.
type ConfigReply struct {
	Digest  string         `json:"digest"`  // of the new configuration
	Applied bool           `json:"applied"` // it's in force; else it was a dry run, or there's nothing to change
	Changes []ConfigChange `json:"changes"`
	Behind  []string       `json:"behind"` // nodes that have it, and didn't run it yet when this was answered
}

// ConfigChange is what changes in one part of the station.
type ConfigChange struct {
	What   string   `json:"what"` // such as RTU 7 or uplink occ
	How    string   `json:"how"`  // added, removed or changed
	Detail string   `json:"detail"`
	Drops  []string `json:"drops"` // links and clients that lose their connections for it
}
