// Package rest is what all routes of a node's API have in common: how a request is read, how an answer, an error or a stream is
// written, and how a change is proposed to the group.
//
// It knows no route and nothing of the station. Whatever it reads from a client is bounded, and what is wrong with it is told
// with what was expected.
package rest

import "net/http"

// A Handler answers a request or says why not; see WriteError.
type Handler func(w http.ResponseWriter, r *http.Request) error
