package api

// Status is the answer of GET /v1/status: the station at a glance.
type Status struct {
	Station     uint16         `json:"station"`
	Name        string         `json:"name"`      // the station's
	TimeZone    string         `json:"time_zone"` // the station's, an IANA name
	Node        string         `json:"node"`      // that answers
	Leader      string         `json:"leader"`
	Term        uint64         `json:"term"`
	CommitIndex uint64         `json:"commit_index"`
	Quorum      bool           `json:"quorum"`
	Outside     bool           `json:"outside,omitempty"` // the node is no member of the group, and waits to be added
	Nodes       []NodeStatus   `json:"nodes"`
	RTUs        []RTUStatus    `json:"rtus"`
	Uplinks     []UplinkStatus `json:"uplinks"`
	Journal     JournalStatus  `json:"journal"`
	Known       bool           `json:"known"`      // as in GET /v1/conditions
	Conditions  []Condition    `json:"conditions"` // likewise
}

// NodeStatus is one member.
type NodeStatus struct {
	ID            string `json:"id"`
	Host          int    `json:"host"`
	Role          string `json:"role"`  // fep | witness
	State         string `json:"state"` // leader | follower | candidate; "" if not heard of
	Alive         bool   `json:"alive"` // heard of lately; without quorum a node hears of no other
	Lease         bool   `json:"lease"`
	SinceMs       int64  `json:"since_ms"`              // since when it is alive, or not
	API           string `json:"api"`                   // address of its API, host:port
	Stopping      bool   `json:"stopping,omitempty"`    // it was asked to end, and hasn't started since
	Maintenance   bool   `json:"maintenance,omitempty"` // an operator keeps everything away from it
	ConfigDiffers bool   `json:"config_differs,omitempty"`
	Build         string `json:"build,omitempty"`

	UnreachedBy []string `json:"unreached_by,omitempty"` // nodes that can't connect to it, though others do
	ClockMs     *int64   `json:"clock_ms,omitempty"`     // by how much its wall clock is ahead of the leader's, to 10 ms; left out: not known
}

// RTUStatus is one RTU.
type RTUStatus struct {
	Number        uint32          `json:"number"`
	Name          string          `json:"name"`
	CommonAddress uint16          `json:"common_address,omitempty"` // as configured; 0: this node doesn't know it
	Owner         string          `json:"owner"`                    // "" if nobody
	Epoch         uint64          `json:"epoch"`
	Phase         string          `json:"phase"` // unowned | owned | releasing
	SinceMs       int64           `json:"since_ms"`
	Reason        string          `json:"reason"`
	Pinned        string          `json:"pinned"`           // node, "" if not
	Target        string          `json:"target,omitempty"` // who is to own it next; in phase releasing
	Online        bool            `json:"online"`
	OnlineMs      int64           `json:"online_since_ms"` // since when online is what it is; 0: it never was otherwise
	Stale         bool            `json:"stale,omitempty"` // the node has no quorum: this is as it was
	Channels      []ChannelStatus `json:"channels"`
	// Sharing are the RTUs behind the same connection, this one too, ascending: they share links and owner, and move
	// together. Empty: it's alone.
	Sharing []uint32 `json:"sharing,omitempty"`
	// Strays is how many ASDUs of its devices could not be taken over, or not whole, since the station was set up.
	Strays    uint64 `json:"strays"`
	LastStray *Stray `json:"last_stray,omitempty"`
}

// ChannelStatus is one channel of an RTU.
type ChannelStatus struct {
	Channel int `json:"channel"` // from 1
	// Each has "address" and, by the FEPs' ids, the state that it has there:
	// active, standby, connecting or down.
	Links []map[string]string `json:"links"`
}

// UplinkStatus is one group of an uplink.
type UplinkStatus struct {
	Name            string         `json:"name"`
	Group           string         `json:"group"`
	CommonAddresses []uint16       `json:"common_addresses,omitempty"` // the uplink's own and those of its sectors, as configured; none: this node doesn't know them
	Mode            string         `json:"mode"`
	Owner           string         `json:"owner"`
	Epoch           uint64         `json:"epoch"`
	Phase           string         `json:"phase"`
	SinceMs         int64          `json:"since_ms"`
	Reason          string         `json:"reason"`
	Links           []UplinkClient `json:"links"`
	Cursor          uint64         `json:"cursor"`
	Backlog         uint64         `json:"backlog"`
	Dropped         uint64         `json:"dropped"`
	Stale           bool           `json:"stale,omitempty"` // the node has no quorum: this is as it was
}

// UplinkClient is one client connection.
type UplinkClient struct {
	Node   string `json:"node"`
	Client string `json:"client"`
	Role   string `json:"role"` // main | standby | held | waiting (for the client at the other FEP to be gone)
}

// JournalStatus says what the journal and the audit hold. Their numbers have gaps.
type JournalStatus struct {
	First   uint64 `json:"first"` // oldest number kept, of an event or an entry of the audit
	Last    uint64 `json:"last"`  // newest number
	Events  uint64 `json:"events"`
	Entries uint64 `json:"entries"` // of the audit
}
