package api

// Stray is an ASDU of a device of which something could not be taken over.
type Stray struct {
	Number uint64 `json:"number"`  // from 1 for each RTU, with gaps where more came than are kept
	TimeMs int64  `json:"time_ms"` // when it was received, ms since 1970-01-01 UTC
	Reason string `json:"reason"`  // what is wrong with it, for people
	ASDU   string `json:"asdu"`    // its octets in hex
}

// StrayList is an RTU's strays.
type StrayList struct {
	Total  uint64  `json:"total"`  // that there ever were
	Strays []Stray `json:"strays"` // the newest first
}
