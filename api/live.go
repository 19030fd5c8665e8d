package api

import "encoding/json"

// LiveMessage is one message of GET /v1/live: the parts of the station at a glance that have changed. Parts are
// "station", "journal", "nodes/<id>", "rtus/<number>", "uplinks/<name>/<group>" and
// "conditions/<id>"; each holds what GET /v1/status
// holds of it.
type LiveMessage struct {
	Whole bool                       `json:"whole"` // Set is all that there is: forget what was known before
	Set   map[string]json.RawMessage `json:"set"`
	Gone  []string                   `json:"gone"` // parts that there no longer are
}
