package api

// Backup is a copy of state and configuration in a FEP's folder.
type Backup struct {
	Path   string `json:"path"` // on that FEP
	AtMs   int64  `json:"at_ms"`
	Octets int64  `json:"octets"`
}
