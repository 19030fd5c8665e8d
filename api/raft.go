package api

// RaftStatus is the group as this node sees it.
type RaftStatus struct {
	Node         string     `json:"node"`
	State        string     `json:"state"`
	Leader       string     `json:"leader"`
	Term         uint64     `json:"term"`
	CommitIndex  uint64     `json:"commit_index"`
	AppliedIndex uint64     `json:"applied_index"`
	LastIndex    uint64     `json:"last_index"`
	Quorum       bool       `json:"quorum"`
	Lease        bool       `json:"lease"`
	LeaseLeftMs  int64      `json:"lease_left_ms"`
	CommitP50Us  int64      `json:"commit_p50_us"` // of this node's proposals in the last ten minutes; 0: there was none
	CommitP99Us  int64      `json:"commit_p99_us"`
	Outside      bool       `json:"outside,omitempty"` // it is no member of the group, and waits to be added
	Level        uint32     `json:"level"`             // feature level of the group: what all members' programs have to understand
	Newest       uint32     `json:"newest_level"`      // newest one that this node's program understands
	Peers        []RaftPeer `json:"peers"`
}

// RaftPeer is a member as the leader knows it.
type RaftPeer struct {
	NodeStatus
	Address       string `json:"address"`
	Voter         bool   `json:"voter"`
	AppliedIndex  uint64 `json:"applied_index"`
	LastContactMs int64  `json:"last_contact_ms"`
	Level         uint32 `json:"level"`            // newest feature level that its program understands; 0 too if it isn't heard of
	Digest        string `json:"digest,omitempty"` // of its configuration; left out: it isn't heard of

	Vitals *Vitals `json:"vitals,omitempty"` // left out: it has said nothing of that
}

// Vitals is how a node's program and its machine are, as the node has seen in the last 10 s.
type Vitals struct {
	Memory            uint64   `json:"memory"`              // octets that the program has in memory
	CPU               uint32   `json:"cpu_permille"`        // thousandths of a core that it has used
	FsyncUs           int64    `json:"fsync_us"`            // how long it takes to make a small write safe; 0: not known
	DiskFree          uint64   `json:"disk_free"`           // octets of the data folder's disk
	DiskSize          uint64   `json:"disk_size"`           //
	CertificateEndsMs int64    `json:"certificate_ends_ms"` // the first of its certificates; 0: it has none
	ClockSynchronised *bool    `json:"clock_synchronised"`  // null: the system doesn't say
	Reaches           []string `json:"reaches"`             // nodes to which it can connect
	Misses            []string `json:"misses"`              // nodes to which it can't
}

// PeerRequest is the body of a transfer of leadership and of a change of members.
type PeerRequest struct {
	ID      string `json:"id"`                // node; empty on a transfer: the most up-to-date FEP
	Address string `json:"address,omitempty"` // host:port between nodes; when a node is added

	// KeepCertificate of a removal: the node's certificate stays in force. For a machine that comes back with an empty folder.
	KeepCertificate bool `json:"keep_certificate,omitempty"`
}

// Done is the answer to what has nothing more to say.
type Done struct {
	Done  bool   `json:"done"`
	Index uint64 `json:"index,omitempty"` // of the last log entry in a snapshot
}
