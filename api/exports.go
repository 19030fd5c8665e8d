package api

// ExportStatus is how far an export has come.
type ExportStatus struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`   // postgres, mqtt, file, syslog or kafka
	Target  string `json:"target"` // where it goes: host and port, or folder
	Owner   string `json:"owner"`  // empty: nobody
	Epoch   uint64 `json:"epoch"`
	Phase   string `json:"phase"`
	SinceMs int64  `json:"since_ms"`
	Reason  string `json:"reason"` // why the owner is the owner

	Events  bool   `json:"events"` // it takes events
	Audit   bool   `json:"audit"`  // it takes the audit
	Cursor  uint64 `json:"cursor"`
	Backlog uint64 `json:"backlog"` // records that the target doesn't have yet
	Dropped uint64 `json:"dropped"` // records that were dropped before the target had them
	Paused  bool   `json:"paused"`

	Reach []ExportReach `json:"reach"`           // by node
	Stale bool          `json:"stale,omitempty"` // without a quorum: as it was
}

// ExportReach says whether a node can reach the target, as it said last.
type ExportReach struct {
	Node    string `json:"node"`
	OK      bool   `json:"ok"`
	Reason  string `json:"reason,omitempty"` // why not
	SinceMs int64  `json:"since_ms"`
}

// ExportRequest asks for an export to wait, to go on, or to bring records again.
type ExportRequest struct {
	From uint64 `json:"from,omitempty"` // of a replay: the first record
}
