package api

// ConfigStatus is what a node runs.
type ConfigStatus struct {
	Node    string `json:"node"`
	Digest  string `json:"digest"`   // of its configuration
	InForce string `json:"in_force"` // digest of the group's, as far as this node knows
	Version uint64 `json:"version"`  // number of the group's; 0: the group doesn't have its files
}

// ConfigReply is what an Apply has done, or a dry run would do.
type ConfigReply struct {
	Digest  string         `json:"digest"`  // of the new configuration
	Applied bool           `json:"applied"` // it's in force; else it was a dry run, or there's nothing to change
	Changes []ConfigChange `json:"changes"`
	Behind  []string       `json:"behind"` // nodes that didn't run it yet when this was answered, those that are away among them
	Away    []string       `json:"away"`   // nodes that didn't answer: they take it on when they're back
	// Warnings are what is allowed, and likely not meant, as `config check` says it: the first 100 of WarningsTotal.
	Warnings      []string `json:"warnings"`
	WarningsTotal int      `json:"warnings_total"`
	// WarningsAt are the same with their places.
	WarningsAt []Problem `json:"warnings_at"`
}

// ConfigChange is what changes in one part of the station.
type ConfigChange struct {
	What   string   `json:"what"` // such as RTU 7 or uplink occ
	How    string   `json:"how"`  // added, removed or changed
	Detail string   `json:"detail"`
	Drops  []string `json:"drops"` // links and clients that lose their connections for it

	TextZH  string   `json:"text_zh"` // What, How and Detail in Chinese
	DropsZH []string `json:"drops_zh"`
}

// ConfigVersion is a configuration that is in force, or was.
type ConfigVersion struct {
	Number  uint64   `json:"number"` // from 1
	Digest  string   `json:"digest"`
	AtMs    int64    `json:"at_ms"` // when it was put in force, ms since 1970-01-01 UTC
	Node    string   `json:"node"`  // that put it in force
	By      string   `json:"by"`    // who asked for it; empty: it came from the nodes' own files
	Changes []string `json:"changes"`

	ChangesZH []string `json:"changes_zh"`
	Kept      bool     `json:"kept"` // its files are there: `fepha config apply --version` can put them in force again
	InForce   bool     `json:"in_force"`
}

// Text is the change in a line, such as RTU 7 changed: retry, 3 points added.
func (c *ConfigChange) Text() string {
	if c.Detail == "" {
		return c.What + " " + c.How
	}
	return c.What + " " + c.How + ": " + c.Detail
}
