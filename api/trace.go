package api

// TraceLine is a frame of a trace. A line with Dropped alone tells that frames
// are missing here.
type TraceLine struct {
	TimeMs    int64  `json:"time_ms,omitempty"` // ms since 1970-01-01 UTC
	Link      string `json:"link,omitempty"`
	Direction string `json:"direction,omitempty"` // sent | received, by this node
	Text      string `json:"text,omitempty"`
	Octets    string `json:"octets,omitempty"`  // in hex
	Dropped   uint64 `json:"dropped,omitempty"` // frames before this one that were not kept, since the reader was too slow
}
