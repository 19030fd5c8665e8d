package api

// Health is the answer of /livez and /readyz, for supervisors and balancers. It
// tells nothing else, since anybody may ask.
type Health struct {
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"`
}
