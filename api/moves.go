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
}
