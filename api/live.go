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

	// Code is for a page that was logged into, once a minute: with it the page goes on at another node when this one is lost (POST
	// /v1/session/take). It's good for five minutes and once, while the session is, and as secret as that.
	Code string `json:"code,omitempty"`
}
