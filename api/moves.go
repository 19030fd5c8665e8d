package api

// MoveRequest is the body of a failover, a release or a pin.
type MoveRequest struct {
	To string `json:"to"` // node; empty on a pin: the present owner; else: the other FEP
}

// MoveReply says where the resource goes.
type MoveReply struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Epoch uint64 `json:"epoch"` // that the move begins in

	RTUs []uint32 `json:"rtus,omitempty"` // that share their links, and so move together; empty: it's one
}

// MaintenanceRequest is the body of a change of a node's maintenance.
type MaintenanceRequest struct {
	On bool `json:"on"` // true: keep everything away from the node, until it's false
}

// MaintenanceReply says of which node.
type MaintenanceReply struct {
	Node string `json:"node"`
	On   bool   `json:"on"`
	Owns int    `json:"owns"` // resources that it has yet to give away
}

// RebalanceReply says which RTUs go back to the FEP that they prefer, and why others don't.
type RebalanceReply struct {
	Moves []RebalanceMove `json:"moves"`
	Stay  []RebalanceMove `json:"stay"`
}

// RebalanceMove is one RTU that isn't where it prefers to be.
type RebalanceMove struct {
	RTU    uint32 `json:"rtu"`
	From   string `json:"from"` // "": nobody's
	To     string `json:"to"`
	Reason string `json:"reason,omitempty"` // why it stays
}
